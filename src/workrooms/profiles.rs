//! What a client says of whoever uses it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, value::RawValue};
use thiserror::Error;

use crate::ids::NAME_LIMIT;

/// How long all of a client's profiles together may be, in bytes of JSON: 8 KiB.
const SIZE_LIMIT: usize = 8 * 1024;

/// From how many sources they may be.
const SOURCE_LIMIT: usize = 16;

/// A client's profiles by their source, each an object of JSON that is kept as it came: 8 KiB at most, of 16 sources.
#[derive(Debug, Clone, Default)]
pub struct Profiles(Arc<BTreeMap<String, Box<RawValue>>>);

/// A client's profiles are more than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("profiles take at most {SIZE_LIMIT} bytes, of {SOURCE_LIMIT} sources with names of 1 to {NAME_LIMIT} bytes")]
pub struct TooLarge;

/// What a directory looks for in a profile; whatever else stands in its place counts as nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// What the person is called.
    pub name: Option<String>,
    /// What the person's account is called.
    pub login: Option<String>,
}

impl Profiles {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what is newer: it replaces what came from the same source before. Nothing changes if it is too much.
    pub fn merge(&mut self, newer: Self) -> Result<(), TooLarge> {
        let mut merged = self.0.as_ref().clone();
        merged.extend(newer.0.iter().map(|(source, profile)| (source.clone(), profile.clone())));
        *self = Self::new(merged)?;
        Ok(())
    }

    /// Each source and what its profile says of names, in the order of the sources.
    pub fn names(&self) -> impl Iterator<Item = (&str, Names)> {
        self.0.iter().map(|(source, profile)| (source.as_str(), Names::read(profile)))
    }

    fn new(profiles: BTreeMap<String, Box<RawValue>>) -> Result<Self, TooLarge> {
        let size: usize = profiles.iter().map(|(source, profile)| source.len() + profile.get().len()).sum();
        let named = profiles.keys().all(|source| (1..=NAME_LIMIT).contains(&source.len()));
        let fits = named && size <= SIZE_LIMIT && profiles.len() <= SOURCE_LIMIT;
        fits.then(|| Self(Arc::new(profiles))).ok_or(TooLarge)
    }
}

impl Names {
    fn read(profile: &RawValue) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_str(profile.get()) else { return Self::default() };
        let mut take = |key| match members.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Self { name: take("name"), login: take("login") }
    }
}

/// As text: the bytes count.
impl PartialEq for Profiles {
    fn eq(&self, other: &Self) -> bool {
        let texts = |profiles: &Self| -> Vec<(String, String)> {
            profiles.0.iter().map(|(source, profile)| (source.clone(), profile.get().to_owned())).collect()
        };
        texts(self) == texts(other)
    }
}

impl Eq for Profiles {}

impl Serialize for Profiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Profiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let profiles = Self::new(BTreeMap::deserialize(deserializer)?).map_err(de::Error::custom)?;
        // Read once here, so that nobody gets one that is no object, or nested too deeply to be read.
        for (source, profile) in profiles.0.iter() {
            let is_object = matches!(serde_json::from_str(profile.get()), Ok(Value::Object(_)));
            if !is_object {
                return Err(de::Error::custom(format_args!("the profile of '{source}' is no object that can be read")));
            }
        }
        Ok(profiles)
    }
}
