//! Starts one converter: everything it needs is opened, it is confined, attested, and told to go.
//!
//! A step that fails leaves nothing behind. What comes after the start is the keeper's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use restrict::{
    Child, Expected, FileId, IdentityError, LeftoverError, Moment, Plan, PlanError, Property,
    SpawnError, Uid,
};
use tokio::io::Interest;
use tokio::time::timeout;
use uuid::Uuid;
use vncterm_control::{Answer, Order, Report, Start, VERSION};
use vncterm_launch::{Disbelief, Handed, ListenError, Listener, Terminal, listen};
use xenstore_wire::DomainId;

use super::link::{Link, LinkError, listen_at};
use super::log::{self, Log};
use super::manifest::{Facts, Manifest};
use super::site::Site;
use super::watched::watch;
use crate::config::CONSOLE_ADDRESS;
use crate::console::{Console, Line, Screen};
use crate::console_lock::{self, LockError};
use crate::domain::Failure;
use crate::effect::Ports;

/// A converter is confined within milliseconds, or something is wrong.
const CONFINED_MAX: Duration = Duration::from_secs(10);
/// The same for its first words, and its answer to the order to go.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A converter that is to be started: for whom, and of what.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// Its domain.
    pub(crate) domain: DomainId,
    /// The uuid that the domain comes with.
    pub(crate) domain_uuid: Uuid,
    /// The VM.
    pub(crate) vm: Uuid,
    /// What viewers call it.
    pub(crate) title: String,
    /// What it reads.
    pub(crate) console: Console,
    /// The line below what an earlier domain of the VM has left on the screen; empty where there is
    /// nothing to part.
    pub(crate) mark: String,
}

/// A converter that serves.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) born: Born,
    pub(super) link: Link,
    /// The version of packets that it speaks.
    pub(super) version: u8,
    pub(super) log: Option<Log>,
    pub(super) ports: Ports,
    pub(super) identity: Identity,
    /// What it reads; none when that has hung up.
    pub(super) terminal: Option<Terminal>,
}

/// What a converter is attested by, again and again.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) child: Child,
    pub(super) plan: Plan,
    pub(super) program: FileId,
    pub(super) network: FileId,
}

/// A process that is ended when this is dropped, unless somebody keeps it.
#[derive(Debug)]
pub(super) struct Born {
    child: Child,
    kept: bool,
}

impl Born {
    pub(super) fn new(child: Child) -> Self {
        Self { child, kept: false }
    }

    /// The process.
    pub(super) fn child(&self) -> Child {
        self.child
    }

    /// It stays, whatever becomes of this process.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let pid = self.child.pid();
        match self.child.kill() {
            // It ends at once; if it is another agent's child, there is nothing to wait for.
            Ok(true) => drop(nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None)),
            // It has ended by itself, and keeps its pid until it is reaped.
            Ok(false) => drop(self.child.reap()),
            Err(error) => {
                tracing::error!(pid, %error, "can't end a converter that is not wanted");
            }
        }
    }
}

/// Why there is no converter.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    /// The tty is not believed.
    #[error("open the console's terminal")]
    Tty(#[from] Disbelief),
    /// Another program has the console.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Something that it needs could not be made.
    #[error("{attempt}")]
    System {
        /// What was tried.
        attempt: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// No user id for this domain.
    #[error("no user id is left for domain {0}")]
    NoUid(u16),
    /// The user id is one that no confined process may have.
    #[error("take the user id")]
    Identity(#[from] IdentityError),
    /// What an earlier converter left running could not be ended.
    #[error(transparent)]
    Leftover(#[from] LeftoverError),
    /// No plan.
    #[error("plan the confinement")]
    Plan(#[from] PlanError),
    /// It does not start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A property of its confinement does not hold.
    #[error("the converter is not confined: {claim} (found: {found})")]
    Unconfined {
        /// What should hold.
        claim: String,
        /// What was found.
        found: String,
    },
    /// It does not speak as it should.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It says something else than it should.
    #[error("the converter's first words are not those of this release")]
    Words,
    /// It says nothing.
    #[error("the converter did not answer within {} s", ANSWER_MAX.as_secs())]
    Silent,
}

impl LaunchError {
    /// What follows from it.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Tty(disbelief) => Failure::Unbelieved((*disbelief).into()),
            Self::Lock(_)
            | Self::Listen(_)
            | Self::System { .. }
            | Self::NoUid(_)
            | Self::Identity(_)
            | Self::Leftover(_)
            | Self::Plan(_)
            | Self::Spawn(_)
            | Self::Unconfined { .. }
            | Self::Link(_)
            | Self::Words
            | Self::Silent => Failure::Failed,
        }
    }
}

fn system(attempt: &'static str) -> impl Fn(io::Error) -> LaunchError {
    move |source| LaunchError::System { attempt, source }
}

/// What was opened for a converter.
struct Opened {
    handed: Handed,
    ports: Ports,
    start: Start,
    uid: Uid,
}

/// Starts a converter, from nothing to its first byte. Dropped before it is done, it leaves
/// nothing.
pub(super) async fn launch(
    site: &Rc<Site>,
    assignment: &Assignment,
) -> Result<Running, LaunchError> {
    // First of all: what is left of an earlier converter holds the console's lock.
    end_leftovers(site, assignment.domain).await?;
    let Opened { handed, ports, start, uid } = open(site, assignment)?;
    let plan = vncterm_launch::plan(&start, uid)?;
    let (log, stderr) = log::pipe().map_err(system("make a pipe for the converter's log"))?;
    let name = format!("vncterm-dom{}", assignment.domain);
    let program = &site.program;
    let launching = vncterm_launch::start(program, &name, &start, &plan, handed, stderr)?;
    let born = confined(launching).await?;
    let child = born.child();
    let identity = Identity { child, plan, program: site.program.id(), network: site.network_id };

    // Before anybody connects to it, so that it has just what it was handed.
    attest(&identity, Moment::Started)?;

    let socket = site.control_socket(assignment.vm);
    let mut link = Link::connect(&socket).map_err(system("connect to the converter"))?;
    match in_time(link.hear()).await?? {
        Answer::Confined(VERSION) => {}
        Answer::Confined(_) | Answer::To(..) | Answer::TtyLost => return Err(LaunchError::Words),
    }
    let facts = Facts {
        child,
        domain: assignment.domain,
        domain_uuid: assignment.domain_uuid,
        vm: assignment.vm,
        start: &start,
        console: assignment.console,
        ports,
    };
    Manifest::new(&facts)
        .and_then(|manifest| manifest.write(site))
        .map_err(system("write the converter's manifest"))?;
    go(&mut link, &assignment.mark).await?;
    let terminal = Some(assignment.console.terminal);
    Ok(Running { born, link, version: VERSION, log: Some(log), ports, identity, terminal })
}

/// Opens what the converter is handed. Nothing of it is kept here.
fn open(site: &Site, assignment: &Assignment) -> Result<Opened, LaunchError> {
    let Assignment { domain, vm, console, .. } = assignment;
    let number = domain.number();
    let uid = site.converters.uids.uid(number).ok_or(LaunchError::NoUid(number))?;
    let (tty, lock) = match console.line {
        Line::Paravirtual | Line::Serial => {
            (console.terminal.open()?, open_lock(site, *domain, console.line)?)
        }
        Line::Host => {
            let (tty, other_end) = site
                .host_console_ends(console.terminal)
                .map_err(system("open the control domain's console"))?;
            (tty, Some(other_end))
        }
    };
    let listen_from = |base: u16| listen(CONSOLE_ADDRESS, base.checked_add(number).unwrap_or(base));
    let rfb = match console.screen {
        Screen::Converter => Some(listen_from(site.consoles.vnc_base_port)?),
        Screen::Another => None,
    };
    let text = listen_from(site.consoles.text_base_port)?;
    let ports = Ports { vnc: rfb.as_ref().map(|listener| listener.port), text: text.port };
    let start = Start {
        uuid: *vm.as_bytes(),
        uid: uid.number(),
        title: assignment.title.clone(),
        columns: site.consoles.columns,
        rows: site.consoles.rows,
        resize: site.consoles.resize,
        orphan_s: site.converters.orphan_s,
        tty_wait_s: site.converters.tty_wait_s,
        rfb: rfb.is_some(),
        text: true,
        lock: lock.is_some(),
        pty: console.line == Line::Host,
    };
    let handed = Handed {
        tty,
        rfb_listener: rfb.map(|Listener { socket, .. }| socket),
        text_listener: Some(text.socket),
        control: listen_at(&site.control_socket(*vm)).map_err(system("make a control socket"))?,
        screen: site.open_screen(*vm).map_err(system("open the screen file"))?,
        lock,
        network: site.network.try_clone().map_err(system("copy the network's descriptor"))?,
    };
    Ok(Opened { handed, ports, start, uid })
}

/// The lock on a paravirtual console; the others have none.
pub(super) fn open_lock(
    site: &Site,
    domain: DomainId,
    line: Line,
) -> Result<Option<OwnedFd>, LockError> {
    match line {
        Line::Paravirtual => console_lock::lock(&site.consoles.lock_dir, domain).map(Some),
        Line::Serial | Line::Host => Ok(None),
    }
}

/// Ends what still runs under the user id that the converter is to have.
async fn end_leftovers(site: &Site, domain: DomainId) -> Result<(), LaunchError> {
    let uids = site.converters.uids;
    // It may wait for processes to end, so it must not hold the agent up.
    let ended = tokio::task::spawn_blocking(move || uids.end_leftovers(domain.number())).await;
    match ended.map_err(|error| system("end an earlier converter")(error.into()))?? {
        0 => {}
        count => tracing::warn!(%domain, count, "ended what an earlier converter left running"),
    }
    Ok(())
}

/// Waits until the process reports that it is confined.
async fn confined(mut launching: restrict::Launching) -> Result<Born, LaunchError> {
    let report = launching.as_fd().try_clone_to_owned().map_err(system("copy a descriptor"))?;
    let report =
        watch(report, Interest::READABLE).map_err(system("wait for the converter's report"))?;
    let reported = async {
        let child = loop {
            if let Some(child) = launching.advance()? {
                break child;
            }
            let mut ready = report.readable().await.map_err(SpawnError::Report)?;
            ready.clear_ready();
        };
        let born = Born::new(child);
        // It closes its end as its last step; until then it has a descriptor too many.
        let mut byte = [0];
        let read = |report: &OwnedFd| Ok(nix::unistd::read(report, &mut byte)?);
        report.async_io(Interest::READABLE, read).await.map_err(SpawnError::Report)?;
        Ok(born)
    };
    timeout(CONFINED_MAX, reported).await.map_err(|_| SpawnError::Late(CONFINED_MAX))?
}

/// Looks at a converter from outside; the first property that does not hold is an error.
pub(super) fn attest(identity: &Identity, moment: Moment) -> Result<(), LaunchError> {
    let properties = look_at(identity, moment).map_err(system("attest the converter"))?;
    match properties.into_iter().find(|property| !property.holds) {
        Some(Property { claim, found, .. }) => Err(LaunchError::Unconfined { claim, found }),
        None => Ok(()),
    }
}

/// Every property of a converter, as it is found from outside.
pub(super) fn look_at(identity: &Identity, moment: Moment) -> io::Result<Vec<Property>> {
    let expected = Expected {
        child: identity.child,
        plan: &identity.plan,
        program: identity.program,
        network: Some(identity.network),
        moment,
    };
    Ok(restrict::attest(&expected)?.properties().to_vec())
}

/// Lets an attested converter read its first byte, below this mark.
pub(super) async fn go(link: &mut Link, mark: &str) -> Result<(), LaunchError> {
    let serial = link.order(&Order::Go(mark.to_owned()), &[])?;
    match in_time(link.hear()).await?? {
        Answer::To(to, Report::Done) if to == serial => Ok(()),
        // Before it goes it reads no tty, so that it can have lost none.
        Answer::To(..) | Answer::Confined(_) | Answer::TtyLost => Err(LaunchError::Words),
    }
}

/// What a converter says, if it comes in time.
pub(super) async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, LaunchError> {
    timeout(ANSWER_MAX, answer).await.map_err(|_| LaunchError::Silent)
}

#[cfg(test)]
mod tests {
    use restrict::Reaped;

    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "that it is none is what is tested")]
    fn a_converter_that_ends_before_it_serves_leaves_no_zombie() {
        let process = std::process::Command::new("true").spawn().unwrap();
        let child = Child::find(i32::try_from(process.id()).unwrap()).unwrap();
        while child.is_alive() {
            std::thread::yield_now();
        }
        drop(Born::new(child));
        assert_eq!(child.reap().unwrap(), Reaped::Foreign);
    }
}
