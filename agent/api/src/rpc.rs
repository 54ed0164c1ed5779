//! The Management API's calls: a name and values in, a value or an error's words out.
//!
//! How they are written is in [`crate::xml`] and in [`json`]; what there is, in [`crate::records`].

mod event;
pub(crate) mod json;
mod methods;
mod session;

use std::net::IpAddr;

use xenwarden_model::front::Call;
use xenwarden_model::{Refusal, RefusalCode, SessionKey};

use crate::value::Value;
use crate::world::Objects;

pub(crate) use methods::names;

/// An error: its code, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Vec<String>);

impl Failure {
    pub(crate) fn new<const N: usize>(code: &str, about: [&str; N]) -> Self {
        Self([code].into_iter().chain(about).map(str::to_owned).collect())
    }
}

/// What a call comes to.
pub(crate) type Outcome = Result<Value, Failure>;

/// Who calls, and by what name they call this host.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    /// What console URLs begin with, after `https://`.
    pub(crate) base: String,
    pub(crate) objects: Objects,
}

/// The error that a refusal of the agent's is, where nothing more is known of what it is about.
pub(crate) fn failure(refusal: &Refusal, session: &str) -> Failure {
    let message = refusal.message.as_str();
    match refusal.code {
        RefusalCode::NoSession => Failure::new("SESSION_INVALID", [session]),
        RefusalCode::WrongPassword | RefusalCode::Slowed => {
            Failure::new("SESSION_AUTHENTICATION_FAILED", ["", message])
        }
        RefusalCode::Forbidden => Failure::new("RBAC_PERMISSION_DENIED", ["", message]),
        RefusalCode::TooLong | RefusalCode::Malformed => {
            Failure::new("INVALID_VALUE", ["", message])
        }
        RefusalCode::UnknownVm | RefusalCode::UnknownNic | RefusalCode::UnknownObject => {
            Failure::new("HANDLE_INVALID", ["", message])
        }
        RefusalCode::Running => Failure::new("VM_BAD_POWER_STATE", ["", "halted", "running"]),
        RefusalCode::Halted => Failure::new("VM_BAD_POWER_STATE", ["", "running", "halted"]),
        RefusalCode::Exists
        | RefusalCode::NoConsole
        | RefusalCode::ViewerLimit
        | RefusalCode::RecordLimit
        | RefusalCode::Failed => Failure::new("INTERNAL_ERROR", [message]),
    }
}

/// The parameters of a call behind its session, and who it is.
pub(crate) struct Args<'a> {
    pub(crate) method: &'a str,
    pub(crate) session: SessionKey,
    /// The session as it was sent.
    pub(crate) session_text: String,
    pub(crate) values: Vec<Value>,
}

impl Args<'_> {
    /// Exactly so many parameters.
    pub(crate) fn exactly<const N: usize>(&self) -> Result<[&Value; N], Failure> {
        let all: Vec<&Value> = self.values.iter().collect();
        all.try_into().map_err(|_| {
            let (expected, found) = (N.to_string(), self.values.len().to_string());
            Failure::new("MESSAGE_PARAMETER_COUNT_MISMATCH", [self.method, &expected, &found])
        })
    }
}

/// A parameter that is a text.
pub(crate) fn text(value: &Value) -> Result<&str, Failure> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Failure::new("FIELD_TYPE_ERROR", ["a text is expected"])),
    }
}

/// A parameter that is a number, written as one or not.
pub(crate) fn number(value: &Value) -> Result<f64, Failure> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Short(number) => Ok((*number).into()),
        Value::Int(number) => i32::try_from(*number)
            .map(f64::from)
            .map_err(|_| Failure::new("INVALID_VALUE", ["timeout", "it is too large"])),
        Value::Text(text) => {
            text.parse().map_err(|_| Failure::new("FIELD_TYPE_ERROR", ["a number is expected"]))
        }
        _ => Err(Failure::new("FIELD_TYPE_ERROR", ["a number is expected"])),
    }
}

/// A parameter that is a set of texts.
pub(crate) fn texts(value: &Value) -> Result<Vec<&str>, Failure> {
    match value {
        Value::Set(values) => values.iter().map(text).collect(),
        _ => Err(Failure::new("FIELD_TYPE_ERROR", ["a set is expected"])),
    }
}

/// Does a call.
pub(crate) async fn call(caller: &Caller, method: &str, mut values: Vec<Value>) -> Outcome {
    match method {
        "session.login_with_password" | "session.slave_local_login_with_password" => {
            return session::login(caller, method, &values).await;
        }
        "system.listMethods" => return Ok(Value::texts(names())),
        _ if !methods::is_known(method) => {
            return Err(Failure::new("MESSAGE_METHOD_UNKNOWN", [method]));
        }
        _ => {}
    }
    if values.is_empty() {
        return Err(Failure::new("MESSAGE_PARAMETER_COUNT_MISMATCH", [method, "1", "0"]));
    }
    let session_text = text(&values.remove(0))?.to_owned();
    let Ok(session) = session_text.parse() else {
        return Err(Failure::new("SESSION_INVALID", [&session_text]));
    };
    let args = Args { method, session, session_text, values };
    match method.split_once('.') {
        Some(("session", name)) => session::call(caller, &args, name).await,
        Some(("event", name)) => event::call(caller, &args, name).await,
        _ => methods::call(caller, &args).await,
    }
}

/// Asks the agent.
pub(crate) async fn ask(
    caller: &Caller,
    args: &Args<'_>,
    call: Call,
) -> Result<xenwarden_model::Reply, Failure> {
    let asked = caller.objects.agent.ask(&call).await;
    asked.map_err(|refusal| failure(&refusal, &args.session_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_several_coats() {
        for value in [Value::Float(60.0), Value::Int(60), Value::text("60"), Value::Short(60)] {
            assert_eq!(number(&value), Ok(60.0));
        }
        assert!(number(&Value::Void).is_err() && number(&Value::text("soon")).is_err());
        assert!(number(&Value::Int(i64::MAX)).is_err());
    }
}
