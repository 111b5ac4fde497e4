//! JSON objects only.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A struct read from a JSON object. Serde alone would take an array of the members' values just as well, which is no x402 wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Pair<'a> {
        #[serde(borrow)]
        raw: &'a RawValue,
        inner: Option<Object<Inner>>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Inner {
        number: u8,
    }

    #[test]
    fn takes_objects_and_no_arrays_at_any_depth() {
        let text = r#"{"raw": [ 1 ], "inner": {"number": 7}}"#;
        let Object(read) = serde_json::from_str::<Object<Pair<'_>>>(text).unwrap();
        assert_eq!(read.raw.get(), "[ 1 ]");
        assert_eq!(read.inner, Some(Object(Inner { number: 7 })));
        for bad in [r"[1, {}]", r#"{"raw": 1, "inner": [7]}"#, "7", "null"] {
            assert!(
                serde_json::from_str::<Object<Pair<'_>>>(bad).is_err(),
                "{bad}"
            );
        }
        let twice = r#"{"raw": 1, "raw": 2}"#;
        assert!(serde_json::from_str::<Object<Pair<'_>>>(twice).is_err());
    }
}
