//! The test server as a program: `s3-server [ADDRESS [MILLISECONDS MEGABYTES]]`, by default a free port of loopback, and as near as that.
//! Else answers begin after so many milliseconds, and all of them together have so many megabytes in a second. Runs until its input ends.

use std::{io::Read, time::Duration};
use streamwright_tests_s3::{Distance, Server};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let address = address.parse().map_err(|_| std::io::Error::other(format!("{address:?} is no address such as 127.0.0.1:9000")))?;
    let mut number =
        || arguments.next().map(|text| text.parse::<u64>().map_err(|_| std::io::Error::other(format!("{text:?} is no number"))));
    let (first_byte, rate) = (number().transpose()?, number().transpose()?);
    let far =
        |(milliseconds, megabytes)| Distance { first_byte: Duration::from_millis(milliseconds), bytes_per_second: megabytes * 1_000_000 };
    let server = Server::start_far(address, first_byte.zip(rate).map(far))?;
    println!("export AWS_ENDPOINT_URL={} AWS_REGION=us-east-1", server.endpoint());
    println!("export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", server.access_key_id(), server.secret_access_key());
    println!("# bucket {}, path style; end of input stops it", server.bucket());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
