//! `event.from` and `event.inject`: what changed since a token, waited for where nothing has.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use xenwarden_model::front::{Call, Moment, WAIT_MAX_MS};
use xenwarden_model::{Class, Reference, Reply};

use super::{Args, Caller, Failure, Outcome, ask, failure, number, text, texts};
use crate::records::{record, table_of};
use crate::value::Value;
use crate::world::World;

/// Calls of this class.
pub(super) const NAMES: [&str; 2] = ["from", "inject"];
/// Classes that one call may ask for.
const CLASSES_MAX: usize = 64;

/// One of the things that a client wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Everything,
    Class(String),
    Object(String, Reference),
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None if text == "*" => Some(Self::Everything),
            None => Some(Self::Class(text.to_ascii_lowercase())),
            Some((class, reference)) => {
                Some(Self::Object(class.to_ascii_lowercase(), reference.parse().ok()?))
            }
        }
    }

    fn covers(&self, class: &str, object: Reference) -> bool {
        match self {
            Self::Everything => true,
            Self::Class(wanted) => wanted == class,
            Self::Object(wanted, reference) => wanted == class && *reference == object,
        }
    }
}

fn write_token(moment: Moment) -> String {
    format!("{},{}", moment.instance, moment.generation)
}

/// None is the beginning of time.
fn parse_token(token: &str) -> Result<Option<Moment>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let parsed = token.split_once(',').and_then(|(instance, generation)| {
        let instance = Uuid::try_parse(instance).ok()?;
        Some(Moment { instance, generation: generation.parse().ok()? })
    });
    parsed.map(Some).ok_or_else(|| Failure::new("EVENT_FROM_TOKEN_PARSE_FAILURE", [token]))
}

pub(super) async fn call(caller: &Caller, args: &Args<'_>, name: &str) -> Outcome {
    match name {
        "inject" => inject(caller, args).await,
        _ => from(caller, args).await,
    }
}

async fn inject(caller: &Caller, args: &Args<'_>) -> Outcome {
    let [class, object] = args.exactly::<2>()?;
    let (class, object) = (text(class)?, text(object)?);
    let invalid = || Failure::new("HANDLE_INVALID", [class, object]);
    let reference: Reference = object.parse().map_err(|_| invalid())?;
    let session = args.session;
    let inject = Call::Inject { session, object: reference };
    match caller.objects.agent.ask(&inject).await {
        Ok(Reply::Moment(before)) => Ok(Value::Text(write_token(before))),
        Ok(_) => Err(invalid()),
        Err(no) if no.code == xenwarden_model::RefusalCode::UnknownObject => Err(invalid()),
        Err(no) => Err(failure(&no, &args.session_text)),
    }
}

async fn from(caller: &Caller, args: &Args<'_>) -> Outcome {
    let [classes, token, limit] = args.exactly::<3>()?;
    let classes = texts(classes)?;
    if classes.len() > CLASSES_MAX {
        return Err(Failure::new("INVALID_VALUE", ["classes", "there are too many"]));
    }
    let wanted = classes
        .iter()
        .map(|class| {
            Wanted::parse(class)
                .ok_or_else(|| Failure::new("EVENT_SUBSCRIPTION_PARSE_FAILURE", [class]))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let since = parse_token(text(token)?)?;
    let limit = number(limit)?.clamp(0.0, f64::from(WAIT_MAX_MS) / 1000.0);
    let deadline = Instant::now() + Duration::from_secs_f64(limit);
    loop {
        let now = {
            let world = caller.objects.refresh(args.session).await;
            let world = world.map_err(|no| failure(&no, &args.session_text))?;
            if since.is_some_and(|since| !world.knows_since(since)) {
                return Err(Failure::new("EVENTS_LOST", []));
            }
            let events = events(&world, since, &wanted, &caller.base);
            if !events.is_empty() || Instant::now() >= deadline {
                return Ok(batch(&world, events));
            }
            world.now()
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let limit_ms = u32::try_from(left.as_millis()).unwrap_or(WAIT_MAX_MS);
        ask(caller, args, Call::Wait { session: args.session, since: now, limit_ms }).await?;
    }
}

fn batch(world: &World, events: Vec<Value>) -> Value {
    let counts = Class::ALL.map(|class| {
        let count = i32::try_from(world.of(class).count()).unwrap_or(i32::MAX);
        (table_of(class).name.to_ascii_lowercase(), Value::Short(count))
    });
    Value::Map(vec![
        ("events".to_owned(), Value::Set(events)),
        ("valid_ref_counts".to_owned(), Value::Map(counts.into())),
        ("token".to_owned(), Value::Text(write_token(world.now()))),
    ])
}

fn events(world: &World, since: Option<Moment>, wanted: &[Wanted], base: &str) -> Vec<Value> {
    let from = since.map_or(0, |since| since.generation);
    let is_wanted = |class: &str, object| wanted.iter().any(|wanted| wanted.covers(class, object));
    let mut found: Vec<(u64, Value)> = Vec::new();
    for deleted in world.deleted().iter().filter(|_| since.is_some()) {
        let class = table_of(deleted.class).name.to_ascii_lowercase();
        if deleted.generation > from && is_wanted(&class, deleted.reference) {
            let event = event(deleted.generation, &class, "del", deleted.reference, None);
            found.push((deleted.generation, event));
        }
    }
    for stamped in world.stamped().filter(|stamped| stamped.changed > from) {
        let object = &stamped.object;
        let class = table_of(object.class()).name.to_ascii_lowercase();
        if is_wanted(&class, object.reference()) {
            let operation = if stamped.created > from { "add" } else { "mod" };
            let snapshot = Value::Map(record(object, world, base));
            let event =
                event(stamped.changed, &class, operation, object.reference(), Some(snapshot));
            found.push((stamped.changed, event));
        }
    }
    found.sort_by_key(|(generation, _)| *generation);
    found.into_iter().map(|(_, event)| event).collect()
}

fn event(
    generation: u64,
    class: &str,
    operation: &str,
    reference: Reference,
    snapshot: Option<Value>,
) -> Value {
    let entry = |key: &str, value: String| (key.to_owned(), Value::Text(value));
    let mut entries = vec![
        entry("id", generation.to_string()),
        entry("timestamp", "0.0".to_owned()),
        entry("class", class.to_owned()),
        entry("operation", operation.to_owned()),
        entry("ref", reference.to_string()),
    ];
    entries.extend(snapshot.map(|snapshot| ("snapshot".to_owned(), snapshot)));
    Value::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_as_it_was_written_and_nothing_else_does() {
        let moment = Moment { instance: Uuid::from_u128(5), generation: 7 };
        assert_eq!(parse_token(&write_token(moment)), Ok(Some(moment)));
        assert_eq!(parse_token(""), Ok(None));
        for token in ["x", "1,2", ",", "00000000-0000-0000-0000-000000000005,-1"] {
            assert!(parse_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn classes_are_wanted_in_any_case() {
        let object = Reference::of(Uuid::nil(), "VM", Uuid::nil());
        let other = Reference::of(Uuid::nil(), "VM", Uuid::from_u128(1));
        assert!(Wanted::parse("*").unwrap().covers("vm", object));
        assert!(Wanted::parse("VM").unwrap().covers("vm", object));
        let one = Wanted::parse(&format!("VM/{object}")).unwrap();
        assert!(one.covers("vm", object) && !one.covers("vm", other));
        assert_eq!(Wanted::parse("VM/x"), None);
    }
}
