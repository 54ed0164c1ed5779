//! `session.*`: log-in and log-out, and what a session is told of itself and of no other.

use xenwarden_model::front::{Call, Password, SessionInfo};
use xenwarden_model::{RefusalCode, Reply};

use super::{Args, Caller, Failure, Outcome, ask, failure, text};
use crate::value::Value;

/// Calls beside the log-in.
pub(super) const NAMES: [&str; 8] = [
    "logout",
    "get_uuid",
    "get_this_host",
    "get_this_user",
    "get_record",
    "get_all_records",
    "get_is_local_superuser",
    "get_all_subject_identifiers",
];

/// Two to four parameters: user, password, version, originator.
pub(super) async fn login(caller: &Caller, method: &str, values: &[Value]) -> Outcome {
    let (user, password, originator) = match values {
        [user, password] | [user, password, _] => (user, password, ""),
        [user, password, _, originator] => (user, password, text(originator)?),
        _ => {
            let found = values.len().to_string();
            return Err(Failure::new("MESSAGE_PARAMETER_COUNT_MISMATCH", [method, "2", &found]));
        }
    };
    let user = text(user)?.to_owned();
    let call = Call::Login {
        user: user.clone(),
        password: Password(text(password)?.to_owned()),
        address: caller.address,
        originator: originator.to_owned(),
    };
    match caller.objects.agent.ask(&call).await {
        Ok(Reply::Opened(opened)) => Ok(Value::Text(opened.session.reveal())),
        Ok(_) => Err(Failure::new("INTERNAL_ERROR", ["the agent gave no session"])),
        Err(refusal) => Err(match refusal.code {
            RefusalCode::WrongPassword | RefusalCode::Slowed => {
                Failure::new("SESSION_AUTHENTICATION_FAILED", [&user, &refusal.message])
            }
            RefusalCode::Forbidden => {
                Failure::new("SESSION_AUTHORIZATION_FAILED", [&user, &refusal.message])
            }
            _ => failure(&refusal, ""),
        }),
    }
}

pub(super) async fn call(caller: &Caller, args: &Args<'_>, name: &str) -> Outcome {
    let session = args.session;
    if name == "logout" {
        args.exactly::<0>()?;
        return ask(caller, args, Call::Logout { session }).await.map(|_| Value::Void);
    }
    let Reply::Session(info) = ask(caller, args, Call::Session { session }).await? else {
        return Err(Failure::new("INTERNAL_ERROR", ["the agent knows no session"]));
    };
    match name {
        "get_all_records" => {
            args.exactly::<0>()?;
            return Ok(Value::Map(vec![(args.session_text.clone(), record(&info))]));
        }
        "get_all_subject_identifiers" => {
            args.exactly::<0>()?;
            return Ok(Value::Set(Vec::new()));
        }
        _ => {}
    }
    let [of] = args.exactly::<1>()?;
    // Another's session is a secret.
    if text(of)? != args.session_text {
        return Err(Failure::new("HANDLE_INVALID", ["session", text(of)?]));
    }
    match name {
        "get_uuid" => Ok(Value::text(info.uuid.to_string())),
        "get_this_host" => Ok(Value::text(info.host.to_string())),
        "get_this_user" => Ok(Value::text(info.user)),
        "get_is_local_superuser" => Ok(Value::Bool(false)),
        _ => Ok(record(&info)),
    }
}

fn record(info: &SessionInfo) -> Value {
    let entry = |key: &str, value| (key.to_owned(), value);
    Value::Map(vec![
        entry("uuid", Value::text(info.uuid.to_string())),
        entry("this_host", Value::text(info.host.to_string())),
        entry("this_user", Value::text(&info.user)),
        entry("last_active", Value::Date(info.used_s)),
        entry("pool", Value::Bool(false)),
        entry("is_local_superuser", Value::Bool(false)),
        entry("originator", Value::text(&info.originator)),
        entry("other_config", Value::Map(Vec::new())),
    ])
}
