//! Real servers: started in the foreground in a folder of their own, on a loopback address of their own, ended on drop.

pub(crate) mod alertmanager;
pub(crate) mod bind;
pub(crate) mod blackbox;
pub(crate) mod dovecot;
pub(crate) mod nginx;
pub(crate) mod office;
pub(crate) mod opendkim;
pub(crate) mod openssl;
pub(crate) mod postfix;
pub(crate) mod postgrey;
pub(crate) mod prometheus;
pub(crate) mod rspamd;
pub(crate) mod swaks;

pub(crate) use crate::process::{Daemon, PATIENCE, eventually, folder, free_address, tuermer};
