//! Who holds a port: for the message when it is not free.

use std::{fs, net::SocketAddr, path::Path};

/// `process 1234 (java)`, where this machine tells.
pub(crate) fn holder(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| listening_inode(line, address.port()))?;
    let wanted = format!("socket:[{inode}]");
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let holder = processes.find(|pid| has_open(&Path::new("/proc").join(pid.to_string()), &wanted))?;
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap_or_default();
    Some(format!("process {holder} ({})", name.trim()))
}

/// The inode of a listening socket on this port, from a line of the kernel's table.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (_, local_port) = words.next()?.split_once(':')?;
    let is_it = u16::from_str_radix(local_port, 16).ok()? == port && words.nth(1)? == LISTEN;
    is_it.then(|| words.nth(5)).flatten()
}

fn has_open(process: &Path, wanted: &str) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target.as_os_str() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line = "   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123456 1 0000 100 0 0 10 0";
        assert_eq!(listening_inode(line, 9092), Some("123456"));
        assert_eq!(listening_inode(line, 9093), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 9092), None);
        assert_eq!(listening_inode("  sl  local_address rem_address", 9092), None);
    }

    #[test]
    fn our_own_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder(listener.local_addr().unwrap()).unwrap();
        assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
    }
}
