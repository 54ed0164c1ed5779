//! A converter: enters its plan, and then serves what it was handed.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use restrict::{Confined, EnterError, IdentityError, PlanError, Uid};
use vncterm_control::{Descriptor, Start};

use crate::console::{Console, Handed, Settings};
use crate::say::say;
use crate::screen_file::ScreenFile;

/// Why there is no converter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConverterError {
    /// The user id is one that no confined process may have.
    #[error("take the user id")]
    Identity(#[from] IdentityError),
    /// The plan can't be entered by anybody.
    #[error("plan the confinement")]
    Plan(#[from] PlanError),
    /// It could not be ended.
    #[error("take SIGTERM")]
    Signal(#[source] io::Error),
    /// A step of the confinement failed.
    #[error("confine the converter")]
    Enter(#[from] EnterError),
    /// A descriptor is missing, though it was there when the plan was entered.
    #[error("take the {0:?} descriptor")]
    Missing(Descriptor),
}

/// Confines this process, then serves until there is a reason to end.
pub(crate) fn run(start: &Start) -> Result<(), ConverterError> {
    let plan = vncterm_launch::plan(start, Uid::new(start.uid)?)?;
    restrict::end_on_sigterm().map_err(ConverterError::Signal)?;
    let mut confined = restrict::enter(&plan, Descriptor::Report.number())?;
    let handed = take_handed(&mut confined)?;
    let settings = Settings {
        uuid: start.uuid,
        title: start.title.clone(),
        columns: start.columns,
        rows: start.rows,
        resize: start.resize,
        orphan: Duration::from_secs(start.orphan_s.into()),
        tty_wait: Duration::from_secs(start.tty_wait_s.into()),
    };
    let console = Console::new(settings, handed, &confined, Instant::now());
    let ending = console.serve(&confined);
    say(format_args!("vncterm: {}", ending.sentence()));
    Ok(())
}

fn take_handed(confined: &mut Confined) -> Result<Handed, ConverterError> {
    let mut optional = |descriptor: Descriptor| confined.take(descriptor.number());
    let (rfb_listener, text_listener) =
        (optional(Descriptor::RfbListener), optional(Descriptor::TextListener));
    let lock = optional(Descriptor::Lock);
    let mut needed = |descriptor: Descriptor| {
        confined.take(descriptor.number()).ok_or(ConverterError::Missing(descriptor))
    };
    Ok(Handed {
        tty: needed(Descriptor::Tty)?,
        rfb_listener,
        text_listener,
        control: needed(Descriptor::Control)?,
        screen: ScreenFile::new(File::from(needed(Descriptor::Screen)?)),
        lock,
    })
}
