//! Files with secrets in them that others on this machine can read. Looks at rights, opens nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where containers find what is mounted for them alone, readable by every user inside.
const MOUNTED_SECRETS: &str = "/run/secrets";

/// The warning about the file at `path`, which holds `what`, if others can read it; a file that is not
/// there, or whose rights cannot be read, is nobody's.
pub fn warning(path: &Path, what: &str) -> Option<String> {
    if path.starts_with(MOUNTED_SECRETS) {
        return None;
    }
    let rights = std::fs::metadata(path).ok()?.permissions().mode();
    let shown = path.display();
    (rights & 0o044 != 0)
        .then(|| format!("{shown} holds {what} and other users can read it: run `chmod 600 {shown}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn only_what_others_can_read_is_warned_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets");
        assert_eq!(warning(&path, "secrets"), None);
        write(&path, "x").expect("a file");
        for (rights, exposed) in
            [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true), (0o711, false)]
        {
            set_permissions(&path, Permissions::from_mode(rights)).expect("rights");
            let said = warning(&path, "secrets");
            assert_eq!(said.is_some(), exposed, "{rights:o}");
            assert!(said.is_none_or(|said| said.contains("chmod 600") && said.contains("holds secrets")));
        }
    }
}
