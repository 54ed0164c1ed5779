//! The agent's one loop: an event comes in, the host decides, and effects are performed.
//!
//! Nothing here waits for a store, a converter or a client: their tasks do.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;
use vncterm_launch::Terminal;
use xenstore_wire::DomainId;
use xenwarden_model::Ask;
use xenwarden_model::front::Call;

use crate::book::{Bounds, Newcomer};
use crate::config::Config;
use crate::converter::{self, Found, Keeper, Site, SiteError, find_survivors};
use crate::database::{DatabaseFault, Safety};
use crate::event::{Event, Question, Request};
use crate::front::{Front, IdentityFault, TOLD_AFTER};
use crate::graphics::Claim;
use crate::host::{Host, Life};
use crate::host_console::Login;
use crate::nic::{self, Nics};
use crate::ready::Waiting;
use crate::records::Records;
use crate::serve::{self, ServeError};
use crate::store::{self, Store};
use crate::{domain, notify};

/// How often records and screens are looked at for their age.
const AGE_EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A different file for each boot of the host (Linux, random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Converters could not be started.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The records can't be read.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The host's identity can't be kept.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// Nobody could ask it.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The host does not tell this boot from others.
    #[error("read {BOOT_ID}")]
    Boot(#[source] std::io::Error),
    /// Signals don't arrive.
    #[error("listen for signals")]
    Signals(#[source] std::io::Error),
    /// The converters' folder can't be read.
    #[error("look for converters of an earlier agent")]
    Survivors(#[source] std::io::Error),
}

/// What is known of a life beyond what the host decides by.
#[derive(Debug, Default)]
pub(crate) struct Note {
    /// Its converter's process.
    pub(crate) pid: Option<i32>,
    /// Whether its converter's last attestation held.
    pub(crate) confined: Option<bool>,
    /// Why its last converter is not there, as one line.
    pub(crate) why: Option<String>,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Since when it should have a converter and has none.
    pub(crate) without_since: Option<Instant>,
    /// What the store says of a screen that another program serves.
    pub(crate) graphics: Option<Claim>,
    /// Why that was not believed when it was last seen.
    pub(crate) graphics_doubt: Option<String>,
}

/// The agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) records: Records,
    pub(crate) store: Store,
    pub(crate) site: Rc<Site>,
    pub(crate) keepers: BTreeMap<Life, Keeper>,
    pub(crate) notes: BTreeMap<Life, Note>,
    pub(crate) wakes: BTreeMap<Life, Instant>,
    pub(crate) converter_reports: converter::Reports,
    pub(crate) boot: Uuid,
    pub(crate) hostname: String,
    pub(crate) began: Instant,
    /// Since when the store is not there, and why.
    pub(crate) store_lost: Option<(Instant, String)>,
    /// When every converter was last attested on request.
    pub(crate) attested_at: Option<Instant>,
    /// Clients that wait until domains are ready: each client has one question at most.
    pub(crate) waiting: Vec<Waiting>,
    /// Who puts a login at the control domain's console.
    pub(crate) login: Login,
    /// Where that is, if a converter of an earlier agent has it.
    pub(crate) adopted_host_terminal: Option<Terminal>,
    /// What is known of network interfaces.
    pub(crate) nics: Nics,
    /// What is kept for the network front.
    pub(crate) front: Front,
    /// When the front's objects were last made; none where anything may have changed since.
    pub(crate) front_seen: Option<Instant>,
    /// When the front's clients are told of changes, where any wait and there may be some.
    front_due: Option<Instant>,
}

/// Where events come from.
struct Sources {
    store: mpsc::UnboundedReceiver<store::Report>,
    converters: mpsc::UnboundedReceiver<(Life, converter::Report)>,
    questions: mpsc::Receiver<Question>,
    nics: mpsc::UnboundedReceiver<nic::Report>,
    ages: Interval,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// Runs the agent until it is told to end. Its converters go on.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    let site = Rc::new(Site::open(&config)?);
    let keep_untouched_ms = days_ms(config.records.keep_untouched_days);
    let records_max = usize::try_from(config.records.max).unwrap_or(usize::MAX);
    let records =
        Records::open(&config.agent.state_dir, Bounds { records_max, keep_untouched_ms })?;
    let boot = read_boot().map_err(RunError::Boot)?;
    let signal_of = |kind| signal(kind).map_err(RunError::Signals);
    let (terminate, interrupt, hang_up) = (
        signal_of(SignalKind::terminate())?,
        signal_of(SignalKind::interrupt())?,
        signal_of(SignalKind::hangup())?,
    );
    let survivors = find_survivors(&site).await.map_err(RunError::Survivors)?;

    let (questions, asked) = mpsc::channel(serve::CLIENTS_MAX);
    serve::listen(&config.agent, questions)?;
    let (store_reports, store) = mpsc::unbounded_channel();
    let (converter_reports, converters) = mpsc::unbounded_channel();
    let socket = config.xenstore.socket.clone();
    let store_handle = Store::open(socket, config.limits, store_reports);
    let (nic_orders, nics_ordered) = mpsc::unbounded_channel();
    let (nic_reports, nics) = mpsc::unbounded_channel();
    let host_devices = config.nics.host_devices.clone();
    spawn_local(nic::keep(host_devices, nics_ordered, nic_reports));
    let mut ages = interval(AGE_EVERY);
    ages.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let login = config.host_console.login.clone().on_this_host();
    let hostname = hostname();
    let front = Front::open(&config.agent.state_dir, &config.login, &hostname)?;
    let mut agent = Agent {
        config,
        host: Host::default(),
        records,
        store: store_handle,
        site,
        keepers: BTreeMap::new(),
        notes: BTreeMap::new(),
        wakes: BTreeMap::new(),
        converter_reports,
        boot,
        hostname,
        began: Instant::now(),
        store_lost: Some((Instant::now(), "it is only being connected to".to_owned())),
        attested_at: None,
        waiting: Vec::new(),
        login,
        adopted_host_terminal: None,
        nics: Nics::new(nic_orders),
        front,
        front_seen: None,
        front_due: None,
    };
    survivors.into_iter().for_each(|found| agent.take_over(found));
    notify::ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "xenwardend is ready");
    let sources =
        Sources { store, converters, questions: asked, nics, ages, terminate, interrupt, hang_up };
    agent.serve(sources).await;
    Ok(())
}

impl Agent {
    async fn serve(mut self, mut sources: Sources) {
        loop {
            let event = sources.next(self.next_wake(), self.front_due).await;
            let is_news = event.is_news();
            let effects = match event {
                Event::Store(report) => self.hear_store(report),
                Event::Converter(life, report) => self.hear_converter(life, report),
                Event::Due(life) => {
                    self.wakes.remove(&life);
                    self.host.hear(life, domain::Event::Due)
                }
                Event::Asked(question) => {
                    self.hear_question(question);
                    Vec::new()
                }
                Event::Nics(report) => {
                    self.nics.hear(report);
                    Vec::new()
                }
                Event::Tell => {
                    self.front_due = None;
                    self.refresh_front();
                    self.tell_waiting();
                    Vec::new()
                }
                Event::Age => {
                    self.age();
                    Vec::new()
                }
                Event::End => break,
            };
            for effect in effects {
                self.perform(effect);
            }
            self.tell_wishes();
            self.answer_waiting();
            if is_news {
                self.front_seen = None;
                if self.front.is_waited_for() {
                    self.front_due.get_or_insert_with(|| Instant::now() + TOLD_AFTER);
                }
            }
        }
        self.records.settle();
        tracing::info!(converters = self.keepers.len(), "xenwardend ends; its converters go on");
    }

    fn hear_question(&mut self, question: Question) {
        let Question { request, asker, by } = question;
        match request {
            Request::Ask(Ask::Ready { domid }) => self.waiting.push(Waiting { domid, asker }),
            Request::Call(Call::Wait { session, since, .. }) => self.wait(session, since, asker),
            // A client that went away needs no answer; what it asked for is done.
            Request::Ask(ask) => drop(asker.send(self.draft(ask, by))),
            Request::Call(call) => drop(asker.send(self.draft_call(call))),
        }
    }

    fn next_wake(&self) -> Option<(Instant, Life)> {
        self.wakes.iter().map(|(life, at)| (*at, *life)).min()
    }

    /// Takes over what an earlier agent left.
    fn take_over(&mut self, found: Found) {
        match found {
            Found::Dead { domain, ports } => self.host.remember_ports(domain, ports),
            Found::Alive(survivor) => {
                let adopted = survivor.adopted;
                let newcomer = Newcomer {
                    domid: adopted.domain.number(),
                    uuid: adopted.domain_uuid,
                    name: &survivor.name,
                    boot: self.boot,
                };
                let restored = self.records.book().restore(adopted.vm, newcomer, now_ms());
                self.records.note(restored, Safety::Kept);
                if adopted.domain == DomainId::DOM0 {
                    self.adopted_host_terminal = Some(adopted.console.terminal);
                }
                let life = self.host.adopt(adopted, survivor.name.clone());
                self.notes.insert(life, Note { pid: Some(survivor.pid()), ..Note::default() });
                self.adopt(life, *survivor);
            }
        }
    }

    /// Lets go of what is too old.
    fn age(&mut self) {
        let live = self.host.live_vms();
        let changes = self.records.book().age(&live, now_ms());
        self.records.note(changes, Safety::Kept);
        let keep = DAY * self.config.screens.keep_days;
        match self.site.saved_screens() {
            Ok(screens) => {
                for (vm, age) in screens {
                    if age > keep && !live.contains(&vm) {
                        self.delete_screen(vm);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "can't look at the saved screens"),
        }
    }
}

impl Sources {
    async fn next(&mut self, wake: Option<(Instant, Life)>, tell: Option<Instant>) -> Event {
        let told = async {
            match tell {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match wake {
                Some((at, life)) => {
                    sleep_until(at.into()).await;
                    life
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(report) = self.store.recv() => Event::Store(report),
            Some((life, report)) = self.converters.recv() => Event::Converter(life, report),
            Some(question) = self.questions.recv() => Event::Asked(question),
            Some(report) = self.nics.recv() => Event::Nics(report),
            life = due => Event::Due(life),
            () = told => Event::Tell,
            _ = self.ages.tick() => Event::Age,
            _ = self.terminate.recv() => Event::End,
            _ = self.interrupt.recv() => Event::End,
            _ = self.hang_up.recv() => {
                tracing::warn!("SIGHUP is ignored: restart to read the configuration again");
                Event::Age
            }
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    now_ms() / 1000
}

fn days_ms(days: u32) -> u64 {
    u64::from(days) * 24 * 3600 * 1000
}

fn read_boot() -> std::io::Result<Uuid> {
    let text = std::fs::read_to_string(BOOT_ID)?;
    Uuid::try_parse(text.trim()).map_err(std::io::Error::other)
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().chars().filter(|character| !character.is_control()).collect()
}
