//! The test server as a program: `s3-server [ADDRESS]`, by default a free port of loopback. Runs until its input ends.

use std::io::Read;
use streamwright_tests_s3::Server;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let address = address.parse().map_err(|_| std::io::Error::other(format!("{address:?} is no address such as 127.0.0.1:9000")))?;
    let server = Server::start_at(address)?;
    println!("export AWS_ENDPOINT_URL={} AWS_REGION=us-east-1", server.endpoint());
    println!("export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", server.access_key_id(), server.secret_access_key());
    println!("# bucket {}, path style; end of input stops it", server.bucket());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
