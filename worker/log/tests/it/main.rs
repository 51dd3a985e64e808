//! The log on a real folder, through its public face alone.

mod damage;
mod helpers;
mod kill;
mod path;
mod remote;
mod shipping;
