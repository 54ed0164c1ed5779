//! XML-RPC: a call from XML, a value to XML.
//!
//! Pure, and bounded: no entity but the five that XML has, no document type, no depth or number of
//! values that a call could need.

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::value::{DEPTH_MAX, Value};

/// Values of a call: the largest map has a thousand keys.
const VALUES_MAX: usize = 10_000;

/// What is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoCall(String);

fn no(why: impl Into<String>) -> NoCall {
    NoCall(why.into())
}

/// What the reader meets, but for comments and white space between elements.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Start(String),
    End(String),
    Nothing,
}

struct Walk<'x> {
    reader: Reader<&'x [u8]>,
    /// The text since the last element's begin or end.
    text: String,
    /// An element without content begins and ends at once.
    pending_end: Option<String>,
    values: usize,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<Met, NoCall> {
        self.text.clear();
        if let Some(name) = self.pending_end.take() {
            return Ok(Met::End(name));
        }
        let name = |name: &str| name.to_owned();
        loop {
            match self.reader.read_event().map_err(|error| no(error.to_string()))? {
                Event::Start(start) => return Ok(Met::Start(name(start.name().as_ref()))),
                Event::End(end) => return Ok(Met::End(name(end.name().as_ref()))),
                Event::Empty(start) => {
                    let name = name(start.name().as_ref());
                    self.pending_end = Some(name.clone());
                    return Ok(Met::Start(name));
                }
                Event::Text(text) => {
                    self.text.push_str(&text);
                }
                Event::CData(data) => {
                    self.text.push_str(&data);
                }
                Event::GeneralRef(reference) => {
                    let number = reference.resolve_char_ref();
                    let character = match number.map_err(|error| no(error.to_string()))? {
                        Some(character) => character,
                        None => match &*reference {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err(no("an entity that XML does not have")),
                        },
                    };
                    self.text.push(character);
                }
                Event::Comment(_) | Event::Decl(_) => {}
                Event::PI(_) | Event::DocType(_) => {
                    return Err(no("a document type or a processing instruction"));
                }
                Event::Eof => return Ok(Met::Nothing),
            }
        }
    }

    fn start(&mut self, name: &str) -> Result<(), NoCall> {
        match self.next()? {
            Met::Start(found) if found == name => Ok(()),
            other => Err(no(format!("{other:?} where <{name}> belongs"))),
        }
    }

    fn end(&mut self, name: &str) -> Result<(), NoCall> {
        match self.next()? {
            Met::End(found) if found == name => Ok(()),
            other => Err(no(format!("{other:?} where </{name}> belongs"))),
        }
    }

    /// The text of an element whose begin was read, and its end.
    fn words(&mut self, name: &str) -> Result<String, NoCall> {
        self.text.clear();
        // `next` clears the text before it reads, and the end of the element ends the text.
        self.end(name)?;
        Ok(std::mem::take(&mut self.text))
    }

    /// A value whose `<value>` was read, and its `</value>`.
    fn value(&mut self, depth: usize) -> Result<Value, NoCall> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return Err(no("more values than any call has"));
        }
        let kind = match self.next()? {
            // Without a type it is a text.
            Met::End(name) if name == "value" => {
                return Ok(Value::Text(std::mem::take(&mut self.text)));
            }
            Met::Start(kind) => kind,
            other => return Err(no(format!("{other:?} in a value"))),
        };
        let value = match kind.as_str() {
            "array" => {
                let mut values = Vec::new();
                self.start("data")?;
                loop {
                    match self.next()? {
                        Met::Start(name) if name == "value" => values.push(self.value(depth + 1)?),
                        Met::End(name) if name == "data" => break,
                        other => return Err(no(format!("{other:?} in an array"))),
                    }
                }
                self.end("array")?;
                Value::Set(values)
            }
            "struct" => {
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        Met::Start(name) if name == "member" => {
                            self.start("name")?;
                            let key = self.words("name")?;
                            self.start("value")?;
                            let value = self.value(depth + 1)?;
                            self.end("member")?;
                            entries.push((key, value));
                        }
                        Met::End(name) if name == "struct" => break,
                        other => return Err(no(format!("{other:?} in a struct"))),
                    }
                }
                Value::Map(entries)
            }
            scalar => {
                let text = self.words(scalar)?;
                scalar_of(scalar, text)?
            }
        };
        self.end("value")?;
        Ok(value)
    }
}

fn scalar_of(kind: &str, text: String) -> Result<Value, NoCall> {
    let wrong = || no(format!("a {kind} that is none"));
    Ok(match kind {
        "string" | "dateTime.iso8601" | "base64" => Value::Text(text),
        "int" | "i4" | "i8" => Value::Int(text.trim().parse().map_err(|_| wrong())?),
        "double" => {
            let number: f64 = text.trim().parse().map_err(|_| wrong())?;
            Value::Float(if number.is_finite() { number } else { return Err(wrong()) })
        }
        "boolean" => match text.trim() {
            "1" | "true" => Value::Bool(true),
            "0" | "false" => Value::Bool(false),
            _ => return Err(wrong()),
        },
        "nil" => Value::Void,
        _ => return Err(no("a value of unknown type")),
    })
}

/// Reads a call: a method's name, and its parameters.
pub(crate) fn parse(body: &[u8]) -> Result<(String, Vec<Value>), NoCall> {
    let body = std::str::from_utf8(body).map_err(|_| no("bytes that are no UTF-8"))?;
    let reader = Reader::from_str(body);
    let mut walk = Walk { reader, text: String::new(), pending_end: None, values: 0 };
    walk.start("methodCall")?;
    walk.start("methodName")?;
    let method = walk.words("methodName")?.trim().to_owned();
    let mut parameters = Vec::new();
    match walk.next()? {
        Met::Start(name) if name == "params" => loop {
            match walk.next()? {
                Met::Start(name) if name == "param" => {
                    walk.start("value")?;
                    parameters.push(walk.value(0)?);
                    walk.end("param")?;
                }
                Met::End(name) if name == "params" => {
                    walk.end("methodCall")?;
                    break;
                }
                other => return Err(no(format!("{other:?} among parameters"))),
            }
        },
        Met::End(name) if name == "methodCall" => {}
        other => return Err(no(format!("{other:?} in a call"))),
    }
    match walk.next()? {
        Met::Nothing => Ok((method, parameters)),
        other => Err(no(format!("{other:?} behind a call"))),
    }
}

/// Writes a response with one value.
pub(crate) fn response(value: &Value) -> Vec<u8> {
    let mut text = String::from("<?xml version=\"1.0\"?><methodResponse><params><param>");
    write_value(&mut text, value);
    text.push_str("</param></params></methodResponse>");
    text.into_bytes()
}

fn write_value(out: &mut String, value: &Value) {
    out.push_str("<value>");
    // Writing to a String can't fail.
    let _ = match value {
        Value::Text(text) => {
            escape(out, text);
            Ok(())
        }
        Value::Int(number) => write!(out, "{number}"),
        Value::Short(number) => write!(out, "<i4>{number}</i4>"),
        Value::Bool(is) => write!(out, "<boolean>{}</boolean>", i32::from(*is)),
        Value::Float(number) => write!(out, "<double>{number}</double>"),
        Value::Date(seconds) => {
            write!(out, "<dateTime.iso8601>{}</dateTime.iso8601>", Value::date(*seconds))
        }
        Value::Set(values) => {
            out.push_str("<array><data>");
            values.iter().for_each(|value| write_value(out, value));
            out.push_str("</data></array>");
            Ok(())
        }
        Value::Map(entries) => {
            out.push_str("<struct>");
            for (key, value) in entries {
                out.push_str("<member><name>");
                escape(out, key);
                out.push_str("</name>");
                write_value(out, value);
                out.push_str("</member>");
            }
            out.push_str("</struct>");
            Ok(())
        }
        Value::Void => Ok(()),
    };
    out.push_str("</value>");
}

/// Writes a text; characters that XML can't carry are left out, as in the original.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(params: &str) -> Result<(String, Vec<Value>), NoCall> {
        parse(format!("<?xml version='1.0'?>\n<methodCall>\n<methodName>a.b</methodName>\n<params>{params}</params>\n</methodCall>\n").as_bytes())
    }

    #[test]
    fn every_type_is_read_typed_or_not() {
        let params = "
            <param><value><string>a &lt;&#65;&#x42;&gt; </string></value></param>
            <param> <value>plain</value> </param><param><value/></param>
            <param><value><string/></value></param>
            <param><value><i4>-7</i4></value></param><param><value><boolean>1</boolean></value></param>
            <param><value><double>60.1</double></value></param><param><value><nil/></value></param>
            <param><value><array><data><value>x</value> <value><int>1</int></value></data></array></value></param>
            <param><value><struct><member><name>k</name> <value>v</value></member></struct></value></param>";
        let (method, parameters) = call(params).unwrap();
        assert_eq!(method, "a.b");
        assert_eq!(
            parameters,
            [
                Value::text("a <AB> "),
                Value::text("plain"),
                Value::text(""),
                Value::text(""),
                Value::Int(-7),
                Value::Bool(true),
                Value::Float(60.1),
                Value::Void,
                Value::Set(vec![Value::text("x"), Value::Int(1)]),
                Value::Map(vec![("k".into(), Value::text("v"))]),
            ]
        );
    }

    #[test]
    fn a_call_may_have_no_parameters() {
        let text = b"<methodCall><methodName>system.listMethods</methodName></methodCall>";
        assert_eq!(parse(text), Ok(("system.listMethods".into(), Vec::new())));
        assert_eq!(call("").unwrap().1, []);
    }

    #[test]
    fn what_is_no_call_is_an_error() {
        for text in [
            "",
            "x",
            "<a/>",
            "<methodCall>",
            "<methodCall><methodName>a</methodName></methodCall><x/>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><methodCall><methodName>a</methodName></methodCall>",
            "<methodCall><methodName>&a;</methodName></methodCall>",
            "<methodCall><methodName>a</methodName><params><param><value><i4>x</i4></value></param></params></methodCall>",
            "<methodCall><methodName>a</methodName><params><param><value><double>inf</double></value></param></params></methodCall>",
            "<methodCall><methodName>a</methodName><params><param><value><what>x</what></value></param></params></methodCall>",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"<methodCall><methodName>\xff</methodName></methodCall>").is_err());
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let deep = format!(
            "<param>{}{}</param>",
            "<value><array><data>".repeat(1000),
            "</data></array></value>".repeat(1000)
        );
        assert!(call(&deep).is_err());
        let wide = format!(
            "<param><value><array><data>{}</data></array></value></param>",
            "<value/>".repeat(VALUES_MAX + 1)
        );
        assert!(call(&wide).is_err());
    }

    #[test]
    fn values_are_written_as_clients_expect_them() {
        let value = Value::Map(vec![
            ("a<".into(), Value::text("x & \"y\"\0\u{1b}")),
            ("n".into(), Value::Int(5)),
            ("s".into(), Value::Set(vec![Value::Bool(false), Value::Void])),
            ("i".into(), Value::Short(3)),
            ("f".into(), Value::Float(0.5)),
            ("d".into(), Value::Date(0)),
        ]);
        let text = String::from_utf8(response(&value)).unwrap();
        assert_eq!(
            text,
            "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>\
             <member><name>a&lt;</name><value>x &amp; &quot;y&quot;</value></member>\
             <member><name>n</name><value>5</value></member>\
             <member><name>s</name><value><array><data><value><boolean>0</boolean></value>\
             <value></value></data></array></value></member>\
             <member><name>i</name><value><i4>3</i4></value></member>\
             <member><name>f</name><value><double>0.5</double></value></member>\
             <member><name>d</name><value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value></member>\
             </struct></value></param></params></methodResponse>"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
