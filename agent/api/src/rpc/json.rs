//! JSON-RPC 1.0 and 2.0: a call from JSON, an outcome to JSON. Pure.

use serde_json::{Value as Json, json};

use super::Outcome;
use crate::value::Value;

/// A call.
#[derive(Debug, PartialEq)]
pub(crate) struct JsonCall {
    pub(crate) method: String,
    pub(crate) parameters: Vec<Value>,
    is_2_0: bool,
    id: Json,
}

/// Reads a call; none where it is no call.
pub(crate) fn parse(body: &[u8]) -> Option<JsonCall> {
    // Depth is bounded by the reader, at 128.
    let Json::Object(mut call) = serde_json::from_slice(body).ok()? else { return None };
    let id = call.remove("id").filter(|id| id.is_string() || id.is_number())?;
    let is_2_0 = call.get("jsonrpc").is_some_and(|version| version == "2.0");
    let Some(Json::String(method)) = call.remove("method") else { return None };
    let parameters = match call.remove("params") {
        Some(Json::Array(parameters)) => parameters,
        None => Vec::new(),
        Some(_) => return None,
    };
    let parameters = parameters.into_iter().map(Value::from_json).collect();
    Some(JsonCall { method, parameters, is_2_0, id })
}

impl JsonCall {
    /// Writes what it came to.
    pub(crate) fn response(self, outcome: &Outcome) -> Vec<u8> {
        let Self { id, is_2_0, .. } = self;
        let json = match (outcome, is_2_0) {
            (Ok(value), true) => json!({"jsonrpc": "2.0", "result": value.to_json(), "id": id}),
            (Ok(value), false) => json!({"result": value.to_json(), "error": null, "id": id}),
            (Err(failure), true) => {
                let (code, about) = failure
                    .0
                    .split_first()
                    .map_or(("", &[][..]), |(code, about)| (code.as_str(), about));
                json!({"jsonrpc": "2.0", "error": {"code": 1, "message": code, "data": about}, "id": id})
            }
            (Err(failure), false) => json!({"result": null, "error": failure.0, "id": id}),
        };
        json.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Failure;
    use super::*;

    fn answered(call: &str, outcome: &Outcome) -> Json {
        serde_json::from_slice(&parse(call.as_bytes()).unwrap().response(outcome)).unwrap()
    }

    #[test]
    fn both_versions_have_their_envelopes() {
        let ok: Outcome = Ok(Value::Set(vec![Value::Int(1), Value::text("x")]));
        let bad: Outcome = Err(Failure::new("HANDLE_INVALID", ["VM", "x"]));
        let old = r#"{"method":"a.b","params":["s"],"id":"i"}"#;
        let new = r#"{"jsonrpc":"2.0","method":"a.b","params":[],"id":0}"#;
        assert_eq!(answered(old, &ok), json!({"result": [1, "x"], "error": null, "id": "i"}));
        assert_eq!(
            answered(old, &bad),
            json!({"result": null, "error": ["HANDLE_INVALID", "VM", "x"], "id": "i"})
        );
        assert_eq!(answered(new, &ok), json!({"jsonrpc": "2.0", "result": [1, "x"], "id": 0}));
        assert_eq!(
            answered(new, &bad),
            json!({"jsonrpc": "2.0", "id": 0,
                   "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", "x"]}})
        );
    }

    #[test]
    fn what_is_no_call_is_none() {
        let deep = format!(
            "{{\"method\":\"a\",\"id\":1,\"params\":{}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        for text in [
            "",
            "[]",
            "{}",
            "x",
            r#"{"method":"a"}"#,
            r#"{"method":"a","id":null}"#,
            r#"{"method":1,"id":1}"#,
            r#"{"method":"a","id":1,"params":{}}"#,
            &deep,
        ] {
            assert!(parse(text.as_bytes()).is_none());
        }
    }
}
