//! `Protocol` in a file, with feature `serde`: the same words as the builder's, for those who do not write Rust.

mod codes;
mod form;
mod many;
mod read;
#[cfg(test)]
mod tests;
mod write;

use serde::{
    de::{Deserialize, Deserializer, Error as _},
    ser::{Error as _, Serialize, Serializer},
};

use crate::protocol::{Protocol, file::form::ProtocolForm};

/// A description whose members have the names of the builder's methods. What is as it is by default is left out. A protocol of
/// which nothing but the name is known, as that of a stored operation may be, is an error.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_unknown() {
            let name = self.name();
            return Err(S::Error::custom(format_args!("nothing is known of the protocol {name:?} but its name")));
        }
        ProtocolForm::from(self).serialize(serializer)
    }
}

/// A description in any format that describes itself, such as TOML and JSON; see [`Protocol`].
///
/// Errors name the member (`announced[0].status.status_at`), and what was expected there. Members that are not known are errors.
/// The name of a [known](Protocol::known) protocol is taken if the description is that protocol's, too.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form: ProtocolForm = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            // The document as a whole.
            if path == "." { error } else { D::Error::custom(format_args!("{path}: {error}")) }
        })?;
        form.build().map_err(D::Error::custom)
    }
}
