//! The macro that describes a table.

/// Describes a table of a configuration file: a struct whose fields are its keys. From this one
/// description come the reader and the JSON Schema.
///
/// ```
/// use std::time::Duration;
/// use breakerbox::config::{self, Kind, duration, integer, text};
///
/// config::table! {
///     /// A greeting, and how often it is said.
///     pub struct Greeting {
///         /// Whom to greet.
///         name: String = text(), required;
///         /// How often.
///         times: u8 = integer(1..=10), default 3;
///         /// The time between two of them.
///         pause: Duration = duration(), optional "no pause";
///     }
/// }
///
/// let kind = config::table::<Greeting>();
/// let (greeting, warnings) = config::read_file("greeting.toml", "name = 'Ada'", &kind).unwrap();
/// assert_eq!(greeting.times.required(), Some(3));
/// assert!(warnings.is_empty());
///
/// let errors = config::read_file("greeting.toml", "nme = 'Ada'\ntimes = 11", &kind).unwrap_err();
/// let errors: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
/// assert_eq!(
///     errors,
///     [
///         "unknown key `nme` at the top of the file",
///         "`times` is 11",
///     ]
/// );
/// assert_eq!(kind.schema()["properties"]["times"]["default"], 3);
/// ```
///
/// A key is `NAME: TYPE = KIND, PRESENCE;`. Its field has the type
/// [`Field<TYPE>`](crate::config::Field). The doc comments are the descriptions in the schema. A
/// name that is a word of Rust is written `r#for`. PRESENCE is one of
///
/// - `required`: it must be given; `required "add it"` says how that is fixed;
/// - `optional`: it may be left out; `optional "no pause"` says what holds then;
/// - `default LITERAL`: it may be left out, and this value (written so that Rust and TOML agree
///   on it: `"5s"`, `3`, `0.5`, `false`) is read then.
#[macro_export]
macro_rules! config_table {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $table:ident {
            $(
                $(#[doc = $key_about:literal])*
                $key:ident: $type:ty = $kind:expr, $presence:ident $($text:literal)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        $visibility struct $table {
            $(
                $(#[doc = $key_about])*
                $visibility $key: $crate::config::Field<$type>,
            )*
        }

        impl $crate::config::Table for $table {
            const ABOUT: &'static str = concat!($($about, "\n"),*);
            const NAMES: &'static [&'static str] =
                &[$($crate::config::key_name(stringify!($key))),*];

            fn keys() -> ::std::vec::Vec<$crate::config::Key> {
                ::std::vec![$(
                    $crate::config::Key::new(
                        $crate::config::key_name(stringify!($key)),
                        concat!($($key_about, "\n"),*),
                        $crate::config_table!(@$presence $($text)?),
                        &$kind,
                    )
                ),*]
            }

            fn read(entries: &mut $crate::config::Entries<'_, '_>) -> Self {
                Self {$(
                    $key: entries.read(
                        $crate::config::key_name(stringify!($key)),
                        $crate::config_table!(@$presence $($text)?),
                        &$kind,
                    )
                ),*}
            }
        }
    };

    (@required) => { $crate::config::Presence::Required("") };
    (@required $fix:literal) => { $crate::config::Presence::Required($fix) };
    (@optional) => { $crate::config::Presence::Optional("") };
    (@optional $text:literal) => { $crate::config::Presence::Optional($text) };
    (@default $value:literal) => { $crate::config::Presence::Default(stringify!($value)) };
}

/// The name of a key, from the name of its field.
///
/// ```
/// assert_eq!(breakerbox::config::key_name("r#for"), "for");
/// ```
pub const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}
