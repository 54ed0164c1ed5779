//! Performs what the host has decided. Nothing is decided here.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::sleep;
use uuid::Uuid;
use vncterm_control::Farewell;
use xenwarden_model::Closing;

use crate::clock::time_of_day;
use crate::converter::{self, Command, Keeper, Survivor};
use crate::database::Safety;
use crate::domain::Wanted;
use crate::effect::{Effect, SavedBy};
use crate::front::REBOOT_TIME;
use crate::host::Life;
use crate::record::Tie;
use crate::run::{Agent, now_ms};
use crate::store::Order;

impl Agent {
    /// Has one thing done.
    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::StartConverter { life, domain, domain_uuid, vm, title, console, screen } => {
                let mark = mark(screen, &time_of_day());
                let assignment =
                    converter::Assignment { domain, domain_uuid, vm, title, console, mark };
                let (keeper, commands) = Keeper::new();
                self.keepers.insert(life, keeper);
                let (site, reports) = (Rc::clone(&self.site), self.converter_reports.clone());
                spawn_local(converter::keep(site, life, assignment, commands, reports));
            }
            Effect::Rename { life, title } => self.command(life, Command::Rename(title)),
            Effect::HandTty { life, console } => self.command(life, Command::HandTty(console)),
            Effect::StopConverter { life, farewell } => {
                self.tell_viewers(life, farewell);
                self.command(life, Command::Stop(farewell));
            }
            Effect::Publish { domain, ports } => self.store.order(domain, Order::Publish(ports)),
            Effect::Retract { domain, ports } => self.store.order(domain, Order::Retract(ports)),
            Effect::WakeLater { life, failures } => {
                self.notes.entry(life).or_default().failures = failures;
                let converters = &self.config.converters;
                let (min, max) = (converters.restart_min_ms, converters.restart_max_ms);
                self.wakes.insert(life, Instant::now() + back_off(failures, min, max));
            }
            Effect::Look { domain } => self.store.order(domain, Order::Look),
            Effect::Report { life, domain, name, doubt } => {
                self.notes.entry(life).or_default().without_since.get_or_insert_with(Instant::now);
                let (name, why) = (name.escape_debug().to_string(), doubt.to_string());
                tracing::warn!(%domain, name, why, "console is not believed");
            }
            Effect::Own { vm, domain, domain_uuid, wanted } => {
                let console_off = wanted == Wanted::Off;
                let tie = Tie { domid: domain.number(), boot: self.boot, console_off };
                let changes = self.records.book().own(vm, domain_uuid, tie, now_ms());
                self.records.note(changes, Safety::Kept);
                self.front.visits.borrow_mut().returned(vm);
                self.nics.changed();
            }
            Effect::Forget { life, domain, name, vm } => {
                // Those of its device model, and all where there was no converter.
                self.part_viewers(life, vm);
                self.keepers.remove(&life);
                self.notes.remove(&life);
                self.wakes.remove(&life);
                // One that only waited for the VM's record leaves it with the domain that has it.
                if self.host.owner(vm).is_none() {
                    let changes = self.records.book().ended(vm, now_ms());
                    self.records.note(changes, Safety::Kept);
                }
                let name = name.escape_debug().to_string();
                tracing::info!(%domain, name, %vm, "domain has ended");
            }
        }
    }

    /// Keeps a converter that an earlier agent started.
    pub(crate) fn adopt(&mut self, life: Life, survivor: Survivor) {
        let (keeper, commands) = Keeper::new();
        self.keepers.insert(life, keeper);
        let (site, reports) = (Rc::clone(&self.site), self.converter_reports.clone());
        spawn_local(survivor.keep(site, life, commands, reports));
    }

    /// Deletes a VM's saved screen.
    pub(crate) fn delete_screen(&self, vm: Uuid) {
        if let Err(error) = self.site.delete_screen(vm) {
            tracing::warn!(%vm, %error, "can't delete a saved screen");
        }
    }

    /// Tells the viewers of a converter that is to stop why their consoles close.
    fn tell_viewers(&self, life: Life, farewell: Farewell) {
        let closing = match farewell {
            Farewell::GuestEnded => {
                let vm = self.host.entry(life).map(|entry| entry.vm);
                return self.part_viewers(life, vm.unwrap_or_default());
            }
            Farewell::ConsoleOff => Closing::Off,
            Farewell::Replaced | Farewell::Ended => Closing::Restarts,
        };
        self.front.visits.borrow_mut().tell(life, true, closing);
    }

    /// A domain has ended: its viewers are told what that was as soon as it is known.
    fn part_viewers(&self, life: Life, vm: Uuid) {
        let mut others = self.host.entries().filter(|(other, _)| *other != life);
        if others.any(|(_, entry)| entry.vm == vm && entry.present) {
            return self.front.visits.borrow_mut().tell(life, false, Closing::Moved);
        }
        self.front.visits.borrow_mut().part(life);
        let visits = Rc::clone(&self.front.visits);
        spawn_local(async move {
            sleep(REBOOT_TIME).await;
            visits.borrow_mut().gone(life);
        });
    }

    fn command(&self, life: Life, command: Command) {
        // One that has ended is about to say so.
        if let Some(keeper) = self.keepers.get(&life) {
            keeper.command(command);
        }
    }
}

/// The line between what a VM's last domain has left on the screen and the next one's output.
/// Nothing in the store tells a boot from a restore before the guest runs, so it is right for both.
fn mark(screen: SavedBy, time: &str) -> String {
    match screen {
        SavedBy::This => String::new(),
        SavedBy::Earlier => format!("-- started again at {time} (boot or restore) --"),
    }
}

/// The pause after so many failures in a row: twice as long after each.
fn back_off(failures: u32, min_ms: u64, max_ms: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(32);
    Duration::from_millis(min_ms.saturating_mul(1 << doublings).min(max_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [1, 2, 3, 8, 9, 1000].map(|failures| back_off(failures, 200, 30_000));
        let expected = [200, 400, 800, 25_600, 30_000, 30_000].map(Duration::from_millis);
        assert_eq!(pauses, expected);
    }
}
