//! A value of the Management API, whatever carries it.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    /// A 64-bit number, which XML-RPC carries as a text.
    Int(i64),
    /// A 32-bit number.
    Short(i32),
    Bool(bool),
    Float(f64),
    /// A moment, in seconds since 1970.
    Date(u64),
    Set(Vec<Self>),
    Map(Vec<(String, Self)>),
    Void,
}

/// Levels of sets and maps that a value may have: no call has more than three.
pub(crate) const DEPTH_MAX: usize = 16;

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Set(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// A date as the API writes it: 20260101T00:00:00Z.
    pub(crate) fn date(seconds: u64) -> String {
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!("{year:04}{month:02}{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// As JSON has it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Int(number) => (*number).into(),
            Self::Short(number) => (*number).into(),
            Self::Bool(is) => (*is).into(),
            Self::Float(number) => (*number).into(),
            Self::Date(seconds) => Self::date(*seconds).into(),
            Self::Set(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
            }
            Self::Void => "".into(),
        }
    }

    /// From JSON, whose depth its reader has bounded.
    pub(crate) fn from_json(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Void,
            serde_json::Value::Bool(is) => Self::Bool(is),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Float(number.as_f64().unwrap_or_default()),
            },
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(values) => {
                Self::Set(values.into_iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(entries) => Self::Map(
                entries.into_iter().map(|(key, value)| (key, Self::from_json(value))).collect(),
            ),
        }
    }
}

/// Year, month and day of a day since 1970, by the Gregorian calendar: 400 years have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March end with the leap day.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_across_leap_days() {
        for (seconds, date) in [
            (0, "19700101T00:00:00Z"),
            (951_782_400, "20000229T00:00:00Z"),
            (1_709_251_199, "20240229T23:59:59Z"),
            (1_767_225_600, "20260101T00:00:00Z"),
            (4_107_542_400, "21000301T00:00:00Z"),
        ] {
            assert_eq!(Value::date(seconds), date);
        }
    }
}
