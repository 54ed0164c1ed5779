//! A demo from its first program to its last: what is started, waited for, kept up and cleared,
//! in this order.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;
use xenstore_client::wire::{DomainId, Name, Path, Token, Watch};
use xenstore_client::{Client, Event, Events};
use xenwarden_model::{Ask, ConsoleState, PowerState, Reply, Vm, VmMap};

use crate::agent::{Agent, AgentError, Connection};
use crate::args::DemoArgs;
use crate::demo::daemons::Daemon;
use crate::demo::front::Front;
use crate::demo::guest::Guest;
use crate::demo::inside::GuestArgs;
use crate::demo::places::{Places, Slot, processes};
use crate::demo::toolstack::{Domain, ToolstackError, perform};
use crate::demo::{DemoError, report};
use crate::visible::visible;

/// How long all programs together may take until every console is there.
pub(super) const READY_WAIT: Duration = Duration::from_secs(60);

/// Between two tries to reach a socket that isn't there yet.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Between two looks whether the agent has given a guest up.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long converters may take to end after their guests, and guests after their terminals.
const END_WAIT: Duration = Duration::from_secs(5);

/// Before a program that has ended is started again.
const RESTART: Duration = Duration::from_secs(1);

/// The key that switches a console off, whatever its value.
const SWITCHED_OFF: &str = "disable_pv_vnc";

/// The guest whose console is switched off.
const WITHOUT_CONSOLE: u16 = 3;

/// A guest before and while it runs.
#[derive(Debug)]
struct Actor {
    domain: Domain,
    args: GuestArgs,
    has_console: bool,
    /// The slave of its console, once it has one.
    tty: Option<String>,
}

/// What a demo has on.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    places: &'a Places,
    slot: &'a Slot,
    store: Daemon,
    agent: Daemon,
    api: Daemon,
    front: Front,
    client: Client,
    events: Events,
    actors: Vec<Actor>,
    guests: JoinSet<std::io::Result<()>>,
    ready_until: Instant,
}

impl<'a> Stage<'a> {
    /// Starts the store, the agent and the network front, and waits until each answers.
    pub(super) async fn set(
        places: &'a Places,
        slot: &'a Slot,
        front: Front,
    ) -> Result<Self, DemoError> {
        let ready_until = Instant::now() + READY_WAIT;
        eprintln!("starting xenstored");
        let mut store = Daemon::store(places)?;
        let socket = places.xenstore();
        let connect = async || Client::connect(&socket).await.ok();
        let (client, events) = answer(&mut store, ready_until, connect).await?;
        eprintln!("starting xenwardend");
        let mut agent = Daemon::agent(places, slot, &front)?;
        let greet = async || ask(places, Ask::Status).await.ok();
        answer(&mut agent, ready_until, greet).await?;
        eprintln!("starting xenwarden-api");
        let mut api = Daemon::api(places)?;
        let reach = async || TcpStream::connect(front.address).await.ok();
        answer(&mut api, ready_until, reach).await?;
        let (actors, guests) = (Vec::new(), JoinSet::new());
        Ok(Self {
            places,
            slot,
            store,
            agent,
            api,
            front,
            client,
            events,
            actors,
            guests,
            ready_until,
        })
    }

    /// Makes the guests' records, and switches one guest's console off while it isn't running.
    pub(super) async fn register(&mut self, args: &DemoArgs) -> Result<(), DemoError> {
        let known = vms(self.places).await?;
        for number in 1..=args.domains {
            let name = format!("demo{number}");
            let uid = self.slot.guest(number);
            // A demo may have been here before, and its user may have switched a console off.
            let before = known.iter().find(|vm| vm.name_label == name);
            let uuid = match before {
                Some(vm) => vm.uuid,
                None => register(self.places, &name).await?,
            };
            let was_off = before.is_some_and(|vm| vm.other_config.contains_key(SWITCHED_OFF));
            let has_console = number != WITHOUT_CONSOLE && !was_off;
            if number == WITHOUT_CONSOLE {
                let (map, key) = (VmMap::OtherConfig, SWITCHED_OFF.to_owned());
                ask(self.places, Ask::SetKey { vm: uuid, map, key, value: "1".to_owned() }).await?;
            }
            let guest = GuestArgs::new(&name, uid, &self.places.make_home(&name, uid)?);
            let guest = match (number, &args.command) {
                (1, Some(command)) => guest.with_command(command.clone()),
                (2, _) => guest.drawing(),
                (_, _) => guest,
            };
            let domid = DomainId::new(number).map_err(std::io::Error::other)?;
            let domain = Domain { domid, number, uuid, name };
            self.actors.push(Actor { domain, args: guest, has_console, tty: None });
        }
        Ok(())
    }

    /// Does what a toolstack and xenconsoled do, and lets the guests run.
    pub(super) async fn start_guests(&mut self) -> Result<(), DemoError> {
        let count = self.actors.len();
        eprintln!("starting {count} guest{}", if count == 1 { "" } else { "s" });
        for actor in &mut self.actors {
            let number = actor.domain.number;
            let path = Path::parse(format!("{}/console", actor.domain.home()).as_bytes());
            let token = Token::new(number.to_string().as_bytes());
            let watch = Watch {
                name: Name::Absolute(path.map_err(ToolstackError::from)?),
                token: token.map_err(std::io::Error::other)?,
            };
            self.client.watch(&watch).await.map_err(ToolstackError::from)?;
            let guest = Guest::new(actor.args.clone(), self.slot.guest(number))?;
            let creation = actor.domain.creation(guest.tty());
            actor.tty = Some(guest.tty().to_owned());
            self.guests.spawn(guest.run());
            perform(&self.client, &actor.domain, &creation).await?;
        }
        Ok(())
    }

    /// Waits until every console that should be there is, and looks whether it is confined.
    pub(super) async fn consoles(&mut self) -> Result<Vec<report::Guest>, DemoError> {
        let mut missing: BTreeMap<u16, &Domain> = self
            .actors
            .iter()
            .filter(|actor| actor.has_console)
            .map(|actor| (actor.domain.number, &actor.domain))
            .collect();
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !missing.is_empty() {
            tokio::select! {
                event = self.events.next() => {
                    let changed = match event {
                        Some(Event::Changed(change)) => number_of(&change.token)
                            .and_then(|number| missing.get(&number))
                            .map(|domain| vec![*domain])
                            .unwrap_or_default(),
                        Some(Event::Many(_) | Event::Overflow) => missing.values().copied().collect(),
                        None => return Err(self.store.failure("its connection has ended")),
                    };
                    for domain in changed {
                        if has_ports(&self.client, domain).await? {
                            missing.remove(&domain.number);
                        }
                    }
                }
                how = self.agent.ended() => return Err(self.agent.failure(&how)),
                how = self.store.ended() => return Err(self.store.failure(&how)),
                _ = look.tick() => {
                    // A console that the agent refuses will never come.
                    if let Some(refused) = refusal(&vms(self.places).await?) {
                        return Err(refused);
                    }
                    if Instant::now() >= self.ready_until {
                        let names: Vec<&str> =
                            missing.values().map(|domain| domain.name.as_str()).collect();
                        return Err(DemoError::NotReady(format!("the console of {}", names.join(", "))));
                    }
                }
            }
        }
        self.look_at_guests().await
    }

    /// The guests, as the agent knows them now.
    async fn look_at_guests(&self) -> Result<Vec<report::Guest>, DemoError> {
        let vms = vms(self.places).await?;
        let Reply::Audit(audit) = ask(self.places, Ask::Audit).await? else {
            return Err(AgentError::Unexpected.into());
        };
        let console = |domain: &Domain| {
            let vm = vms.iter().find(|vm| vm.uuid == domain.uuid)?;
            let ConsoleState::Serving { pid, vnc_port, text_port, .. } = vm.console_state else {
                return None;
            };
            let found = audit.converters.iter().find(|audit| audit.vm == domain.uuid);
            let confined = found.is_some_and(|found| found.holds() && !found.properties.is_empty());
            Some(report::Console { vnc_port, text_port, converter_pid: pid, confined })
        };
        let guest = |actor: &Actor| report::Guest {
            domid: actor.domain.number,
            uuid: actor.domain.uuid,
            name: actor.domain.name.clone(),
            console: console(&actor.domain),
        };
        let guests: Vec<report::Guest> = self.actors.iter().map(guest).collect();
        for (actor, guest) in self.actors.iter().zip(&guests) {
            if actor.has_console && guest.console.is_none() {
                return Err(DemoError::NotReady(format!("the converter of {}", guest.name)));
            }
        }
        Ok(guests)
    }

    /// Tells people and then programs that everything answers.
    pub(super) fn announce(&self, guests: &[report::Guest]) -> Result<(), DemoError> {
        let (agent, xenstore) = (self.places.agent(), self.places.xenstore());
        let mut out = std::io::stdout().lock();
        let ca = self.places.certificate();
        let front = report::Front { front: &self.front, certificate: &ca };
        out.write_all(report::table(&agent, &front, guests).as_bytes())?;
        out.flush()?;
        self.places.write_json(&report::json(&agent, &xenstore, &front, guests)?)
    }

    /// Starts again whatever ends, as an init system would, for ever.
    pub(super) async fn keep_up(&mut self) -> Result<(), DemoError> {
        loop {
            tokio::select! {
                how = self.store.ended() => {
                    again(&mut self.store, &how).await?;
                    self.tell_again().await?;
                }
                how = self.agent.ended() => again(&mut self.agent, &how).await?,
                how = self.api.ended() => again(&mut self.api, &how).await?,
                Some(ended) = self.guests.join_next() => {
                    let why = match ended {
                        Ok(Ok(())) => "it has ended".to_owned(),
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    eprintln!("xenwarden: a guest's terminal is gone: {why}");
                }
            }
        }
    }

    /// Tells a store that has lost everything of the guests that still run.
    async fn tell_again(&mut self) -> Result<(), DemoError> {
        let socket = self.places.xenstore();
        let until = Instant::now() + READY_WAIT;
        let connect = async || Client::connect(&socket).await.ok();
        (self.client, self.events) = answer(&mut self.store, until, connect).await?;
        for actor in &self.actors {
            if let Some(tty) = &actor.tty {
                perform(&self.client, &actor.domain, &actor.domain.creation(tty)).await?;
            }
        }
        Ok(())
    }

    /// Ends everything, in the order in which a host would: guests, agent, store.
    pub(super) async fn clear(mut self) {
        let destroyed = timeout(END_WAIT, async {
            for actor in self.actors.iter().filter(|actor| actor.tty.is_some()) {
                // A store that is gone has no keys to remove.
                let _ = perform(&self.client, &actor.domain, &actor.domain.destruction()).await;
            }
        });
        if destroyed.await.is_err() {
            eprintln!("xenwarden: xenstored does not answer; its guests are killed");
        }
        let converters = self.slot.converters()..self.slot.guest(0);
        self.processes_end(&converters).await;
        self.guests.shutdown().await;
        self.api.stop().await;
        self.agent.stop().await;
        self.store.stop().await;
        self.processes_end(&self.slot.user_ids()).await;
        kill_leftovers(self.slot);
    }

    /// Waits until no process has one of these user ids any more, for a while.
    async fn processes_end(&self, user_ids: &Range<u32>) {
        let until = Instant::now() + END_WAIT;
        let is_left = || processes().any(|(_, ids)| ids.iter().any(|id| user_ids.contains(id)));
        while is_left() && Instant::now() < until {
            sleep(TRY_EVERY).await;
        }
    }
}

/// Kills what has one of the demo's own user ids and hasn't ended by itself.
fn kill_leftovers(slot: &Slot) {
    let own = slot.user_ids();
    for (pid, ids) in processes() {
        if !ids.is_empty() && ids.iter().all(|id| own.contains(id)) {
            eprintln!("xenwarden: process {pid} did not end by itself: it is killed");
            // It may have ended just now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Tries until a program answers, unless it ends or the time is over.
async fn answer<T>(
    daemon: &mut Daemon,
    until: Instant,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> Result<T, DemoError> {
    let tries = async {
        loop {
            if let Some(answer) = attempt().await {
                return answer;
            }
            sleep(TRY_EVERY).await;
        }
    };
    let name = daemon.name();
    let outcome = tokio::select! {
        answer = timeout_at(until, tries) => Ok(answer),
        how = daemon.ended() => Err(how),
    };
    match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_elapsed)) => Err(DemoError::NotReady(name.to_owned())),
        Err(how) => Err(daemon.failure(&how)),
    }
}

/// Asks the agent; the guests go on meanwhile.
async fn ask(places: &Places, ask: Ask) -> Result<Reply, AgentError> {
    let socket = places.agent();
    let asked = spawn_blocking(move || Connection::open(&socket)?.ask(&ask)).await;
    asked.unwrap_or_else(|error| Err(AgentError::Lost(std::io::Error::other(error))))
}

async fn vms(places: &Places) -> Result<Vec<Vm>, AgentError> {
    match ask(places, Ask::Vms).await? {
        Reply::Vms(vms) => Ok(vms),
        _ => Err(AgentError::Unexpected),
    }
}

async fn register(places: &Places, name: &str) -> Result<Uuid, AgentError> {
    match ask(places, Ask::Register { name: name.to_owned(), uuid: None }).await? {
        Reply::Registered(uuid) => Ok(uuid),
        _ => Err(AgentError::Unexpected),
    }
}

/// The first guest that the agent gives no console.
fn refusal(vms: &[Vm]) -> Option<DemoError> {
    vms.iter().filter(|vm| vm.power_state == PowerState::Running).find_map(|vm| {
        match &vm.console_state {
            ConsoleState::Refused { why } => {
                Some(DemoError::NoConsole { name: vm.name_label.clone(), why: visible(why) })
            }
            ConsoleState::Halted
            | ConsoleState::Waiting
            | ConsoleState::Off
            | ConsoleState::Starting
            | ConsoleState::Serving { .. }
            | ConsoleState::Restarting { .. } => None,
        }
    })
}

fn number_of(token: &Token) -> Option<u16> {
    std::str::from_utf8(token.as_bytes()).ok()?.parse().ok()
}

/// Whether the agent has published both ports of a guest.
async fn has_ports(client: &Client, domain: &Domain) -> Result<bool, ToolstackError> {
    for key in ["vnc-port", "tc-port"] {
        let path = Path::parse(format!("{}/console/{key}", domain.home()).as_bytes())?;
        let value = client.read_optional(&path).await?;
        if value.is_none_or(|value| value.is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Starts a program that has ended again, after a pause.
async fn again(daemon: &mut Daemon, how: &str) -> Result<(), DemoError> {
    eprintln!("{} has ended ({how}); it is started again", daemon.name());
    sleep(RESTART).await;
    daemon.restart()
}
