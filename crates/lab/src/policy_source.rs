//! A policy in a file of the lab, or the place of one in a gateway's file.

use breakerbox::config::{self, Kind, Located, Node, Policy, Reader, Type, policy, table, text};
use serde_json::Value as Json;

config::table! {
    /// The policy of an upstream in a gateway's file.
    struct ElsewhereTable {
        /// The path of the file, from this one.
        config: String = text(), required;
        /// The name of the upstream.
        upstream: String = text(), required;
    }
}

/// A policy, or where it stands.
#[derive(Clone, Debug)]
pub(crate) enum PolicySource {
    Here(Box<Policy>),
    Elsewhere { file: String, upstream: String },
}

/// A policy, or the place of one.
pub(crate) struct PolicyKind;

impl Kind for PolicyKind {
    type Value = Located<PolicySource>;

    fn name(&self) -> String {
        policy().name()
    }

    fn example(&self) -> String {
        policy().example()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        policy().accepts(toml_type)
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Self::Value> {
        // No policy has a key of these names.
        let value = if node.has("config") || node.has("upstream") {
            let table = table::<ElsewhereTable>().read(node, reader)?;
            let (file, upstream) = (table.config.required()?, table.upstream.required()?);
            PolicySource::Elsewhere { file, upstream }
        } else {
            PolicySource::Here(Box::new(policy().read(node, reader)?))
        };
        Some(Located { value, span: node.span(), key: node.key() })
    }

    fn schema(&self) -> Json {
        serde_json::json!({ "anyOf": [policy().schema(), table::<ElsewhereTable>().schema()] })
    }
}
