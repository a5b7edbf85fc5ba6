//! What the process forbids itself before it holds a secret: to leave its memory on disk, or to show it
//! to other processes of the same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Switches core dumps off for good, and the looks that other processes may take at this one's memory and
/// environment (ptrace, `/proc/<pid>/mem`, `/proc/<pid>/environ`) unless they are root's.
///
/// # Errors
/// What the system refused, for the log: the program runs without it.
pub fn forbid_dumps() -> Result<(), std::io::Error> {
    let limit = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    Ok(limit.and(dumpable)?)
}
