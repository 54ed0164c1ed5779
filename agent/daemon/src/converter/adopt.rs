//! Takes over the converters of an agent that went: each is found, told from every other process,
//! asked, and attested again before it is believed.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;

use restrict::{FileId, Moment, Uid};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;
use vncterm_control::{Answer, Order, Phase, Report as Said, State, VERSION};
use xenstore_wire::DomainId;

use super::keeper::{Keeping, Whose};
use super::launch::{Born, Identity, LaunchError, Running, attest, go, in_time};
use super::link::{Link, LinkError};
use super::log::Log;
use super::manifest::{FileNumbers, Manifest, ManifestError};
use super::site::Site;
use super::{Command, Report, Reports, remove_files};
use crate::causes::causes;
use crate::effect::Ports;
use crate::host::{Adopted, Life};

/// Manifests that are read: as many as a host has domains.
const MANIFESTS_MAX: usize = 32_752;

/// A converter of an earlier agent.
#[derive(Debug)]
pub(crate) enum Found {
    /// It lives, and is what it should be.
    Alive(Box<Survivor>),
    /// It is gone, or was ended as it could not be believed; its ports may stand in the store.
    Dead {
        /// Its domain.
        domain: DomainId,
        /// Its ports.
        ports: Ports,
    },
}

/// A converter that was adopted.
#[derive(Debug)]
pub(crate) struct Survivor {
    /// What the host has to know.
    pub(crate) adopted: Adopted,
    /// Its VM's name, as it was.
    pub(crate) name: String,
    running: Running,
}

/// Why a converter was not adopted.
#[derive(Debug, thiserror::Error)]
enum AdoptError {
    #[error("read its manifest")]
    Manifest(#[from] ManifestError),
    #[error("its process has ended")]
    Gone,
    #[error("its process runs another program, or in another network, than it was started with")]
    Changed,
    #[error("look at its process")]
    Look(#[source] std::io::Error),
    #[error("take its user id")]
    Uid(#[from] restrict::IdentityError),
    #[error("its user id is not one of this agent's range")]
    Range,
    #[error("connect to it")]
    Connect(#[source] std::io::Error),
    #[error("it serves another VM")]
    Vm,
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("plan its confinement")]
    Plan(#[from] restrict::PlanError),
}

impl From<LinkError> for AdoptError {
    fn from(error: LinkError) -> Self {
        Self::Launch(error.into())
    }
}

/// Looks for converters of an earlier agent.
pub(crate) async fn find_survivors(site: &Rc<Site>) -> std::io::Result<Vec<Found>> {
    // All at once: one that does not answer holds up none of the others.
    let mut examinations = JoinSet::new();
    for entry in fs::read_dir(site.folder())?.take(MANIFESTS_MAX) {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let site = Rc::clone(site);
            examinations.spawn_local(async move { examine(&site, &path).await });
        }
    }
    Ok(examinations.join_all().await.into_iter().flatten().collect())
}

async fn examine(site: &Rc<Site>, path: &Path) -> Option<Found> {
    let manifest = match Manifest::read(path) {
        Ok(manifest) => manifest,
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, why = causes(&error), "a converter's manifest can't be read");
            return None;
        }
    };
    let name = manifest.name.escape_debug().to_string();
    let domain = manifest.domain().ok()?;
    match adopt(site, &manifest).await {
        Ok(survivor) => {
            tracing::info!(%domain, name, pid = manifest.pid, "converter adopted");
            Some(Found::Alive(Box::new(survivor)))
        }
        Err(error) => {
            tracing::warn!(
                %domain, name, pid = manifest.pid, why = causes(&error),
                "converter of an earlier agent is not adopted"
            );
            remove_files(site, manifest.vm);
            Some(Found::Dead { domain, ports: manifest.ports() })
        }
    }
}

/// A converter that can't be believed is ended on the way out.
async fn adopt(site: &Rc<Site>, manifest: &Manifest) -> Result<Survivor, AdoptError> {
    let child = manifest.child();
    if !child.is_alive() {
        return Err(AdoptError::Gone);
    }
    let uid = Uid::new(manifest.uid)?;
    // A process outside of the range is nobody that this agent may signal.
    if !site.converters.uids.contains(uid) {
        return Err(AdoptError::Range);
    }
    let born = Born::new(child);
    let domain = manifest.domain()?;
    let console = manifest.console()?;
    let start = manifest.start(site);
    let identity = Identity {
        child,
        plan: vncterm_launch::plan(&start, uid)?,
        program: unchanged(child.pid(), "exe", manifest.program)?,
        network: unchanged(child.pid(), "ns/net", manifest.network)?,
    };
    let socket = site.control_socket(manifest.vm);
    let mut link = Link::connect(&socket).map_err(AdoptError::Connect)?;
    let version = match in_time(link.hear()).await?? {
        Answer::Confined(version) => version,
        Answer::To(..) | Answer::TtyLost => return Err(LaunchError::Words.into()),
    };
    attest(&identity, Moment::Serving)?;
    let phase = if version == VERSION {
        resume(&mut link, manifest.vm).await?
    } else {
        // It speaks other packets: it is left alone until its guest ends.
        Phase::Running
    };
    let ports = manifest.ports();
    let (domain_uuid, vm) = (manifest.domain_uuid, manifest.vm);
    let adopted = Adopted { domain, domain_uuid, vm, console, ports };
    // Without its log it still serves.
    let log = Log::of(child.pid()).ok();
    let terminal = match phase {
        Phase::Waiting | Phase::Running => Some(console.terminal),
        Phase::TtyLost => None,
    };
    let running = Running { born, link, version, log, ports, identity, terminal };
    Ok(Survivor { adopted, name: manifest.name.clone(), running })
}

/// Makes sure that it serves the VM, and lets it go where the earlier agent had not come to that.
async fn resume(link: &mut Link, vm: Uuid) -> Result<Phase, AdoptError> {
    let state = ask_state(link).await?;
    if Uuid::from_bytes(state.uuid) != vm {
        return Err(AdoptError::Vm);
    }
    match state.phase {
        // The earlier agent knew whether the screen is another domain's; a mark too few does no harm.
        Phase::Waiting => go(link, "").await?,
        Phase::Running | Phase::TtyLost => {}
    }
    Ok(state.phase)
}

/// The file behind a link of a process, if it is the one that it was.
fn unchanged(pid: i32, what: &str, was: FileNumbers) -> Result<FileId, AdoptError> {
    let path = format!("/proc/{pid}/{what}");
    let now = FileNumbers::of(Path::new(&path)).map_err(AdoptError::Look)?;
    if now != was {
        return Err(AdoptError::Changed);
    }
    let file = fs::File::open(&path).map_err(AdoptError::Look)?;
    FileId::of(file.as_fd()).map_err(AdoptError::Look)
}

async fn ask_state(link: &mut Link) -> Result<State, AdoptError> {
    let serial = link.order(&Order::State, &[])?;
    let answer = async {
        loop {
            match link.hear().await? {
                // Its state says so as well.
                Answer::TtyLost => {}
                answer => return Ok::<_, LinkError>(answer),
            }
        }
    };
    match in_time(answer).await?? {
        Answer::To(to, Said::State(state)) if to == serial => Ok(state),
        Answer::To(..) | Answer::Confined(_) | Answer::TtyLost => Err(LaunchError::Words.into()),
    }
}

impl Survivor {
    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.running.identity.child.pid()
    }

    /// Keeps it to its end.
    pub(crate) async fn keep(
        self,
        site: Rc<Site>,
        life: Life,
        commands: mpsc::UnboundedReceiver<Command>,
        reports: Reports,
    ) {
        let _ = reports.send((life, Report::Attested { holds: true }));
        let Adopted { domain, vm, console, .. } = self.adopted;
        if self.running.terminal.is_none() {
            let _ = reports.send((life, Report::TtyLost(console.terminal)));
        }
        let whose = Whose { life, domain, vm };
        Keeping::new(site, whose, self.running, commands, reports).run().await;
    }
}
