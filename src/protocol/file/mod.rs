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

/// Serializes to a description whose members have the names of the builder's methods. Default values are left out. A protocol
/// whose name alone is known, as that of a stored operation may be, is an error.
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

/// Reads a description in any self-describing format, such as TOML or JSON; see [`Protocol`].
///
/// Errors name the member (`announced[0].status.status_at`), and say what was expected there. Unknown members are errors. The name
/// of a [known](Protocol::known) protocol is accepted only with that protocol's own description.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form: ProtocolForm = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            // An error in the document as a whole.
            if path == "." { error } else { D::Error::custom(format_args!("{path}: {error}")) }
        })?;
        form.build().map_err(D::Error::custom)
    }
}
