//! What the tests share: a server, and stores on it that are less patient than in production.

use std::time::Duration;
use store::{Body, Key, S3Config, S3Credentials, S3Limits, S3Store};
use streamwright_tests_s3::Server;

/// Limits under which no test waits long.
pub fn limits() -> S3Limits {
    S3Limits {
        connect_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(5),
        attempts_max: 5,
        backoff_min: Duration::from_millis(4),
        backoff_max: Duration::from_millis(50),
        ..S3Limits::default()
    }
}

/// How `server`'s bucket is reached.
pub fn config(server: &Server) -> S3Config {
    S3Config {
        prefix: "main".into(),
        endpoint: Some(server.endpoint()),
        force_path_style: true,
        credentials: S3Credentials::Keys {
            access_key_id: server.access_key_id().into(),
            secret_access_key: server.secret_access_key().into(),
        },
        limits: limits(),
        ..S3Config::of_bucket(server.bucket())
    }
}

/// A store on `server`.
pub fn store(server: &Server) -> S3Store {
    store_with(server, |_| {})
}

/// A store on `server` with limits of its own.
pub fn store_with(server: &Server, change: impl FnOnce(&mut S3Limits)) -> S3Store {
    let mut config = config(server);
    change(&mut config.limits);
    S3Store::open(config).unwrap()
}

pub fn key(text: impl AsRef<str>) -> Key {
    Key::new(text).unwrap()
}

/// A body of `len` bytes that says in each where it is.
pub fn body(len: usize) -> Body {
    (0..len).map(|index| (index % 251) as u8).collect::<Vec<_>>().into()
}

/// Draws of a seed (splitmix64, Steele et al. 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
