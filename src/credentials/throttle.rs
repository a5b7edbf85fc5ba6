//! How often an address may offer a wrong credential. Pure: the time is an argument.
//!
//! Each address is counted alone, so that guessing from one never keeps the right password from
//! another out. When very many addresses guess at once each gets fewer free tries, but never none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong credentials that an address may offer at the admin plane before it has to wait.
pub const OPERATORS_TRIES: u32 = 5;
/// The same at the data plane, where many programs may share an address.
pub const CLIENTS_TRIES: u32 = 60;
/// The same while everybody together guesses too much.
const FREE_TRIES_UNDER_ATTACK: u32 = 1;
/// Wrong credentials of all addresses in [`WINDOW`] that count as an attack.
const ATTACK: u32 = 100;
const WINDOW: Duration = Duration::from_secs(60);
/// The wait doubles from the first to the longest: a guesser gets some 1,500 tries a day.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// An address that offers nothing wrong for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Addresses that are remembered; beyond it the one that was quiet longest is forgotten.
const MOST: usize = 10_000;

/// Wrong credentials by address.
#[derive(Debug)]
pub struct Throttle {
    free_tries: u32,
    addresses: HashMap<IpAddr, Count>,
    window_began: Duration,
    in_window: u32,
    refused: u64,
    /// How many within the hour that began then, and within the one before.
    hour: (Duration, u64, u64),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    strikes: u32,
    last: Duration,
    free_again: Duration,
}

impl Throttle {
    /// With so many free tries for each address.
    pub fn new(free_tries: u32) -> Throttle {
        Throttle {
            free_tries,
            addresses: HashMap::new(),
            window_began: Duration::ZERO,
            in_window: 0,
            refused: 0,
            hour: (Duration::ZERO, 0, 0),
        }
    }

    /// How long `address` must wait before its next try; zero: it may try. `now` is monotonic.
    pub fn wait(&mut self, address: IpAddr, now: Duration) -> Duration {
        let wait = self
            .addresses
            .get(&network(address))
            .map_or(Duration::ZERO, |count| count.free_again.saturating_sub(now));
        if !wait.is_zero() {
            self.count_refused(now);
        }
        wait
    }

    /// Notes a wrong credential. One that was offered before (`again`) tells a guesser nothing and
    /// comes from a program with an old password: it never makes a wait longer.
    pub fn wrong(&mut self, address: IpAddr, again: bool, now: Duration) {
        self.count_refused(now);
        if now.saturating_sub(self.window_began) >= WINDOW {
            (self.window_began, self.in_window) = (now, 0);
        }
        self.in_window = self.in_window.saturating_add(1);
        let free = if self.in_window > ATTACK { FREE_TRIES_UNDER_ATTACK } else { self.free_tries };
        self.make_room(now);
        let count = self.addresses.entry(network(address)).or_insert(Count {
            strikes: 0,
            last: now,
            free_again: Duration::ZERO,
        });
        if !again || count.strikes < free {
            count.strikes = count.strikes.saturating_add(1);
        }
        count.last = now;
        if count.strikes >= free {
            let doubled = FIRST_WAIT.saturating_mul(1 << (count.strikes - free).min(16));
            count.free_again = now + if again { FIRST_WAIT } else { doubled.min(LONGEST_WAIT) };
        }
    }

    /// Notes the right credential: its address begins anew.
    pub fn right(&mut self, address: IpAddr) {
        self.addresses.remove(&network(address));
    }

    /// Wrong credentials and tries that had to wait, since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The same in this hour and the one before.
    pub fn refused_lately(&mut self, now: Duration) -> u64 {
        self.turn_hour(now);
        self.hour.1 + self.hour.2
    }

    fn count_refused(&mut self, now: Duration) {
        self.turn_hour(now);
        self.hour.1 += 1;
        self.refused += 1;
    }

    fn turn_hour(&mut self, now: Duration) {
        let (began, this, _) = self.hour;
        let passed = now.saturating_sub(began);
        if passed >= FORGOTTEN {
            self.hour = (now, 0, if passed < FORGOTTEN * 2 { this } else { 0 });
        }
    }

    fn make_room(&mut self, now: Duration) {
        if self.addresses.len() < MOST {
            return;
        }
        self.addresses.retain(|_, count| now.saturating_sub(count.last) < FORGOTTEN);
        while self.addresses.len() >= MOST {
            let oldest = self.addresses.iter().min_by_key(|(_, count)| count.last).map(|(at, _)| *at);
            let Some(oldest) = oldest else { return };
            self.addresses.remove(&oldest);
        }
    }
}

/// Whoever has one IPv6 address has its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_waits_longer_each_time_and_others_do_not() {
        let (mut throttle, guesser) = (Throttle::new(OPERATORS_TRIES), address("192.0.2.1"));
        let mut now = Duration::from_secs(100);
        for _ in 0..OPERATORS_TRIES {
            assert_eq!(throttle.wait(guesser, now), Duration::ZERO);
            throttle.wrong(guesser, false, now);
        }
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(throttle.wait(guesser, now), SECOND * expected);
            assert_eq!(throttle.wait(address("192.0.2.2"), now), Duration::ZERO);
            now += SECOND * expected;
            assert_eq!(throttle.wait(guesser, now), Duration::ZERO);
            throttle.wrong(guesser, false, now);
        }
        throttle.right(guesser);
        assert_eq!(throttle.wait(guesser, now), Duration::ZERO);
    }

    #[test]
    fn an_old_password_offered_again_and_again_waits_little() {
        let (mut throttle, script) = (Throttle::new(OPERATORS_TRIES), address("192.0.2.1"));
        for turn in 0..100 {
            let now = SECOND * 10 * turn;
            assert_eq!(throttle.wait(script, now), Duration::ZERO, "{turn}");
            throttle.wrong(script, turn > 0, now);
            assert!(throttle.wait(script, now) <= SECOND);
        }
    }

    #[test]
    fn many_addresses_get_few_tries_but_never_none() {
        let mut throttle = Throttle::new(OPERATORS_TRIES);
        let now = Duration::from_secs(100);
        for number in 0..2 * ATTACK {
            let from = IpAddr::from(number.to_be_bytes());
            assert_eq!(throttle.wait(from, now), Duration::ZERO);
            throttle.wrong(from, false, now);
        }
        let late = address("198.51.100.1");
        assert_eq!(throttle.wait(late, now), Duration::ZERO);
        throttle.wrong(late, false, now);
        assert_eq!(throttle.wait(late, now), SECOND);
    }

    #[test]
    fn a_network_counts_as_one_and_memory_is_bounded() {
        let mut throttle = Throttle::new(OPERATORS_TRIES);
        for _ in 0..OPERATORS_TRIES {
            throttle.wrong(address("2001:db8::1"), false, SECOND);
        }
        assert!(!throttle.wait(address("2001:db8::2"), SECOND).is_zero());
        assert!(throttle.wait(address("2001:db8:0:1::1"), SECOND).is_zero());
        for number in 0..(MOST as u32 + 10) {
            throttle.wrong(IpAddr::from(number.to_be_bytes()), false, SECOND * 2);
        }
        assert!(throttle.addresses.len() <= MOST);
    }
}
