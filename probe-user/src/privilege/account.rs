//! Whom the agent runs as once it is ready.

use nix::unistd::{self, Gid, Uid, User};

use super::{Layer, PrivilegeError};

/// The user that packages make for the agent.
pub const USUAL: &str = "forgewatch";

/// A user to run as, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// Whom somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UserChoice {
    /// Nobody was: [`USUAL`] if root runs the agent and there is such a user; otherwise whoever runs it.
    #[default]
    Usual,
    /// This one, by name or number.
    Named(String),
}

impl UserChoice {
    /// As written in a file or an argument; empty is the usual one.
    pub fn of(text: &str) -> Self {
        if text.is_empty() { Self::Usual } else { Self::Named(text.to_owned()) }
    }

    /// The account to take on: none if the caller is not root and stays what it is.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the caller may not switch.
    pub fn account(&self) -> Result<Option<Account>, PrivilegeError> {
        let (own, root) = (unistd::geteuid(), unistd::geteuid().is_root());
        match self {
            Self::Usual if !root => Ok(None),
            Self::Usual => Ok(Some(match Account::find(USUAL)? {
                Some(account) => account,
                None => Account { name: "root".into(), uid: own, gid: unistd::getegid() },
            })),
            Self::Named(name) => match Account::find(name)? {
                None => Err(PrivilegeError::NoUser { name: name.clone() }),
                Some(account) if root => Ok(Some(account)),
                Some(account) if account.uid == own => Ok(None),
                Some(account) => Err(PrivilegeError::NotRoot { user: account.name }),
            },
        }
    }
}

impl Account {
    /// Looks a user up. A number needs no entry: its group has the same number then.
    fn find(name: &str) -> Result<Option<Self>, PrivilegeError> {
        let failed = |error| PrivilegeError::step("look up the user to run as", &error);
        if let Ok(number) = name.parse::<u32>() {
            let uid = Uid::from_raw(number);
            let known = User::from_uid(uid).map_err(failed)?;
            let gid = known.as_ref().map_or(Gid::from_raw(number), |user| user.gid);
            let name = known.map_or_else(|| number.to_string(), |user| user.name);
            return Ok(Some(Self { name, uid, gid }));
        }
        let known = User::from_name(name).map_err(failed)?;
        Ok(known.map(|user| Self { name: user.name, uid: user.uid, gid: user.gid }))
    }

    /// Its number.
    pub const fn uid(&self) -> Uid {
        self.uid
    }

    /// Its group's number.
    pub const fn gid(&self) -> Gid {
        self.gid
    }

    /// Becomes it, for good: without any other group, and with no way back. With `keep`, capabilities that
    /// are permitted stay so.
    pub(super) fn become_it(&self, keep: bool) -> Result<Layer, PrivilegeError> {
        let failed = |step| move |error: nix::Error| PrivilegeError::step(step, &error);
        if keep {
            caps::securebits::set_keepcaps(true)
                .map_err(|error| PrivilegeError::step("keep capabilities", &error))?;
        }
        unistd::setgroups(&[]).map_err(failed("leave the supplementary groups"))?;
        unistd::setresgid(self.gid, self.gid, self.gid).map_err(failed("switch the group"))?;
        unistd::setresuid(self.uid, self.uid, self.uid).map_err(failed("switch the user"))?;
        if !self.uid.is_root() && unistd::setuid(Uid::from_raw(0)).is_ok() {
            return Err(PrivilegeError::step("give root up", &"it could be regained"));
        }
        Ok(Layer::done("user", format!("{} ({}:{})", self.name, self.uid, self.gid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let nobody = Account::find("nobody").expect("users can be looked up").expect("nobody");
        assert_eq!(nobody.uid.as_raw(), 65_534);
        let same = Account::find("65534").expect("users can be looked up").expect("nobody");
        assert_eq!(nobody, same);
        let number = Account::find("4012345").expect("users can be looked up").expect("a number");
        assert_eq!((number.name.as_str(), number.gid.as_raw()), ("4012345", 4_012_345));
        assert_eq!(Account::find("no-such-user").expect("users can be looked up"), None);
        let error = UserChoice::Named("no-such-user".into()).account().expect_err("no such user");
        assert!(error.to_string().contains("useradd --system"), "{error}");
    }
}
