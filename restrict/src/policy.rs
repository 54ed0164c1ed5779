//! Which system calls a confined process may make: commented text, parsed, and compiled to BPF.
//!
//! The texts are in `policies/`. A program of ours has a list of what it may do, and everything else
//! kills it. A program of somebody else's, which nobody can list the needs of, has a list of what it
//! may not do, and is told that the kernel has no such call. There is no mode in which a forbidden
//! call is let through, so that the tests meet what is released.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

mod names;

#[cfg(test)]
mod tests;

const CONVERTER: &str = include_str!("../policies/converter.policy");
const DEVICE_MODEL: &str = include_str!("../policies/device-model.policy");
const FRONT: &str = include_str!("../policies/front.policy");
const STORE: &str = include_str!("../policies/store.policy");

/// `ENOSYS`, unsigned as a filter returns it.
const NO_SUCH_CALL: u32 = libc::ENOSYS.cast_unsigned();
/// Arguments that a system call has at most; the kernel shows a filter that many.
const ARGUMENTS_MAX: u8 = 6;

/// The calls of the x32 interface, which a list of system calls by their usual numbers misses, have
/// this bit (arch/x86/include/uapi/asm/unistd.h).
const X32_CALL_BIT: u32 = 0x4000_0000;

/// A list of system calls, each with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    sense: Sense,
    lines: Vec<Line>,
}

/// What a policy's list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    /// What the process may do. Everything else kills it.
    Allows,
    /// What it may not: the call fails with `ENOSYS`, as on a kernel that lacks it, which programs
    /// are written for.
    Denies,
}

/// One line of a policy: a call, under conditions that must all hold, and why it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    call: &'static str,
    number: i64,
    conditions: Vec<Condition>,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    argument: u8,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// The argument's low half is this value.
    Is(u32),
    /// The argument's low half is another value.
    IsNot(u32),
    /// None of these bits of the argument's low half is set.
    Lacks(u32),
    /// The whole argument is zero.
    Null,
}

/// A policy text that is not a policy. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A line has no reason.
    #[error("policy line {0} has no reason")]
    NoReason(usize),
    /// A line names a system call that the table in `policy/names.rs` lacks.
    #[error("policy line {line}: {name} is no known system call")]
    UnknownCall {
        /// The line.
        line: usize,
        /// What it named.
        name: String,
    },
    /// A condition is none.
    #[error("policy line {line}: {condition:?} is no condition")]
    Condition {
        /// The line.
        line: usize,
        /// The condition's text.
        condition: String,
    },
    /// A call has a line without conditions and others beside it, which then mean nothing.
    #[error("policy has a line for {0} that another one makes meaningless")]
    Redundant(&'static str),
    /// The filter could not be compiled.
    #[error("compile the policy: {0}")]
    Compile(String),
}

impl Policy {
    /// The released policy for a converter, `policies/converter.policy`.
    pub fn converter() -> Result<Self, PolicyError> {
        Self::parse(Sense::Allows, CONVERTER)
    }

    /// The released policy for a QEMU device model, `policies/device-model.policy`.
    pub fn device_model() -> Result<Self, PolicyError> {
        Self::parse(Sense::Denies, DEVICE_MODEL)
    }

    /// The released policy for a store, `policies/store.policy`.
    pub fn store() -> Result<Self, PolicyError> {
        Self::parse(Sense::Allows, STORE)
    }

    /// The released policy for the network front, `policies/front.policy`.
    pub fn front() -> Result<Self, PolicyError> {
        Self::parse(Sense::Allows, FRONT)
    }

    /// Reads a policy's text; the grammar is at the top of `policies/converter.policy`.
    fn parse(sense: Sense, text: &str) -> Result<Self, PolicyError> {
        let mut lines = Vec::new();
        for (at, line) in (1..).zip(text.lines()) {
            if !line.trim().is_empty() && !line.starts_with('#') {
                lines.push(Line::parse(at, line)?);
            }
        }
        for (at, line) in lines.iter().enumerate() {
            let meaningless = |other: &Line| {
                other.number == line.number
                    && (line.conditions.is_empty() || other.conditions == line.conditions)
            };
            if lines.iter().enumerate().any(|(i, other)| i != at && meaningless(other)) {
                return Err(PolicyError::Redundant(line.call));
            }
        }
        Ok(Self { sense, lines })
    }

    /// The name of each line's call, in the policy's order.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.lines.iter().map(|line| line.call)
    }

    /// Each line's call and its reason, in the policy's order.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines.iter().map(|line| (line.call, line.reason.as_str()))
    }

    /// The filter. Calls of another architecture kill the process, whatever the list is of.
    pub(crate) fn compile(&self) -> Result<BpfProgram, PolicyError> {
        self.filter().map_err(|error| PolicyError::Compile(error.to_string()))
    }

    fn filter(&self) -> Result<BpfProgram, seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for line in &self.lines {
            // A call without rules is allowed whatever its arguments.
            let alternatives = rules.entry(line.number).or_default();
            if !line.conditions.is_empty() {
                let conditions =
                    line.conditions.iter().map(Condition::compile).collect::<Result<_, _>>()?;
                alternatives.push(SeccompRule::new(conditions)?);
            }
        }
        let (otherwise, listed) = match self.sense {
            Sense::Allows => (SeccompAction::KillProcess, SeccompAction::Allow),
            Sense::Denies => (SeccompAction::Allow, SeccompAction::Errno(NO_SUCH_CALL)),
        };
        let filter = SeccompFilter::new(rules, otherwise, listed, TargetArch::x86_64)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(match self.sense {
            Sense::Allows => program,
            Sense::Denies => refuse_x32().into_iter().chain(program).collect(),
        })
    }
}

/// Instructions before those of a filter that allows what it does not list.
fn refuse_x32() -> [sock_filter; 3] {
    let word = |code: u32, jt, jf, k| sock_filter {
        // The C library types the parts of a code as it likes; all of them fit.
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    [
        // `nr` is the first field of struct seccomp_data.
        word(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        word(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, X32_CALL_BIT),
        word(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | NO_SUCH_CALL),
    ]
}

impl Line {
    fn parse(at: usize, line: &str) -> Result<Self, PolicyError> {
        let (allowed, reason) = line.split_once(" -- ").ok_or(PolicyError::NoReason(at))?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(PolicyError::NoReason(at));
        }
        let allowed = allowed.trim();
        let (name, conditions) = allowed.split_once(' ').unwrap_or((allowed, ""));
        let (call, number) = names::system_call(name)
            .ok_or_else(|| PolicyError::UnknownCall { line: at, name: name.to_owned() })?;
        let conditions = conditions
            .split(" and ")
            .map(str::trim)
            .filter(|condition| !condition.is_empty())
            .map(|condition| {
                Condition::parse(condition).ok_or_else(|| PolicyError::Condition {
                    line: at,
                    condition: condition.to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { call, number, conditions, reason: reason.to_owned() })
    }
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let argument = words.next()?.strip_prefix("arg")?.parse().ok()?;
        let test = match (words.next()?, words.next()) {
            ("is", Some(value)) => Test::Is(names::value(value)?),
            ("isnt", Some(value)) => Test::IsNot(names::value(value)?),
            ("lacks", Some(value)) => Test::Lacks(names::value(value)?),
            ("null", None) => Test::Null,
            (_, _) => return None,
        };
        (argument < ARGUMENTS_MAX && words.next().is_none()).then_some(Self { argument, test })
    }

    fn compile(&self) -> Result<SeccompCondition, seccompiler::BackendError> {
        let (length, operator, value) = match self.test {
            Test::Is(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value),
            Test::IsNot(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value),
            Test::Lacks(bits) => {
                (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(u64::from(bits)), 0)
            }
            Test::Null => (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0),
        };
        SeccompCondition::new(self.argument, length, operator, u64::from(value))
    }
}
