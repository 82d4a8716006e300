mod files;
mod schema;

use super::*;

/// A listener that sends everything to `posts`.
const LISTENER: &str = "[[listener]]\nlisten = '127.0.0.1:3000'\n\
                        routes = [{ prefix = '/', upstream = 'posts' }]\n";
/// The upstream `posts`.
const UPSTREAM: &str = "[upstream.posts]\nendpoints = ['http://127.0.0.1:9001']\n";
