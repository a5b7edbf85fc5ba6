//! Allowances one by one as tables, and many of them against a model of the store, whatever happens.

use super::*;
use crate::domain::quota::QuotaKind;
use proptest::prelude::*;
use std::collections::HashMap;

const NOON: Timestamp = Timestamp::from_millis(20_000 * 86_400_000 + 43_200_000);
const ALONE: Pace = Pace { replicas: 1, a_minute: Some(20) };

fn after(millis: u64) -> Timestamp {
    NOON.after(Duration::from_millis(millis))
}

/// What the store does, in a few lines.
#[derive(Debug, Default)]
struct Model {
    leased: HashMap<(Quota, i64), u64>,
    held: HashMap<(Quota, i64, u64), u64>,
}

impl Model {
    fn lease(&mut self, holder: u64, want: &Want) -> Granted {
        let leased = self.leased.entry((want.quota, want.period)).or_default();
        *leased = leased.saturating_sub(want.give).max(want.at_least);
        let amount = want.take.min(u64::from(want.limit).saturating_sub(*leased));
        *leased += amount;
        let held = self.held.entry((want.quota, want.period, holder)).or_default();
        *held = held.saturating_sub(want.give) + amount;
        Granted { amount, leased: *leased, held: *held, is_gone: false }
    }

    /// One hand-off that goes well; returns what was asked.
    fn serve(&mut self, part: &mut Allowance, limit: u32, pace: &Pace, now: Timestamp) -> Vec<Want> {
        self.serve_to(1, part, limit, pace, now)
    }

    fn serve_to(
        &mut self,
        holder: u64,
        part: &mut Allowance,
        limit: u32,
        pace: &Pace,
        now: Timestamp,
    ) -> Vec<Want> {
        let mut wants = Vec::new();
        part.wants(Some(limit), pace, now, &mut wants);
        for want in &wants {
            let granted = self.lease(holder, want);
            part.told(want, Some(granted), now);
        }
        wants
    }
}

fn day() -> Allowance {
    Allowance::new(QuotaKind::AccountDay, 1)
}

#[test]
fn alone_a_fifth_of_the_day_is_fetched_before_half_of_it_is_used() {
    let (mut store, mut part) = (Model::default(), day());
    assert_eq!(part.stand(Some(50), NOON), Stand::Asking);
    assert_eq!(part.take(Some(50), NOON), None);
    let fetched: Vec<u64> = (0..50)
        .map(|_| {
            let wants = store.serve(&mut part, 50, &ALONE, NOON);
            assert!(part.take(Some(50), NOON).is_some());
            wants.iter().map(|want| want.take).sum()
        })
        .collect();
    assert_eq!(fetched.iter().filter(|take| **take > 0).copied().collect::<Vec<_>>(), [10, 10, 10, 10, 10]);
    assert_eq!(part.stand(Some(50), NOON), Stand::Spent(NOON.day().end()));
    assert!(store.serve(&mut part, 50, &ALONE, NOON).is_empty(), "nobody misses any");
}

#[test]
fn a_minute_is_fetched_whole_and_two_ahead() {
    let (mut store, mut part) = (Model::default(), Allowance::new(QuotaKind::AccountMinute, 1));
    let wants = store.serve(&mut part, 20, &ALONE, NOON);
    assert_eq!(wants.iter().map(|want| want.take).collect::<Vec<_>>(), [20, 20, 20]);
    for _ in 0..20 {
        assert!(part.take(Some(20), after(100)).is_some());
    }
    assert_eq!(part.stand(Some(20), after(100)), Stand::Spent(after(60_000)));
    assert_eq!(part.stand(Some(20), after(60_000)), Stand::Ready, "the next is there");
    assert_eq!(store.serve(&mut part, 20, &ALONE, after(60_000)).len(), 1);
}

#[test]
fn what_may_arrive_in_the_next_minute_counts_for_both() {
    let (mut store, mut part) = (Model::default(), Allowance::new(QuotaKind::AccountMinute, 1));
    store.serve(&mut part, 3, &ALONE, NOON);
    let late = part.take(Some(3), after(59_600)).expect("some in hand");
    part.take(Some(3), after(59_700)).expect("some in hand");
    part.give_back(late);
    for _ in 0..2 {
        part.take(Some(3), after(60_000)).expect("some in hand");
    }
    assert_eq!(part.take(Some(3), after(60_000)), None, "one came late");
}

#[test]
fn tomorrow_is_fetched_before_it_begins_and_today_never_returns() {
    let (mut store, mut part) = (Model::default(), day());
    let midnight = NOON.day().end();
    let before = Timestamp::from_millis(midnight.millis() - 60_000);
    assert_eq!(store.serve(&mut part, 50, &ALONE, before).len(), 2);
    assert!(part.take(Some(50), midnight).is_some());
    for _ in 0..9 {
        part.take(Some(50), before).expect("of the new day, although the clock was turned back");
    }
    assert_eq!(part.take(Some(50), before), None);
}

#[test]
fn a_limit_that_is_reached_is_looked_at_again_once_a_second_for_those_who_ask() {
    let (mut store, mut part) = (Model::default(), day());
    store.leased.insert((part.quota(), 20_000), 50);
    store.serve(&mut part, 50, &ALONE, NOON);
    let spent = Stand::Spent(NOON.day().end());
    assert_eq!(part.stand(Some(50), NOON), spent);
    part.miss(after(10));
    assert!(store.serve(&mut part, 50, &ALONE, after(20)).is_empty());
    assert_eq!(store.serve(&mut part, 50, &ALONE, after(1_000)).len(), 1);
    assert_eq!(part.stand(Some(50), after(1_000)), spent);
    store.leased.insert((part.quota(), 20_000), 40);
    assert!(store.serve(&mut part, 50, &ALONE, after(3_000)).is_empty(), "nobody asked since");
    part.miss(after(3_000));
    store.serve(&mut part, 50, &ALONE, after(3_000));
    assert_eq!(part.stand(Some(50), after(3_000)), Stand::Ready, "another gave some back");
}

#[test]
fn a_store_that_is_away_is_asked_again_each_second_and_what_is_in_hand_goes_on() {
    let (mut store, mut part) = (Model::default(), day());
    store.serve(&mut part, 50, &ALONE, NOON);
    for _ in 0..10 {
        part.take(Some(50), NOON).expect("in hand");
    }
    let mut wants = Vec::new();
    part.wants(Some(50), &ALONE, NOON, &mut wants);
    assert_eq!(part.stand(Some(50), NOON), Stand::Asking);
    part.told(&wants[0], None, after(100));
    assert_eq!(part.stand(Some(50), after(200)), Stand::Away(after(1_100)));
    assert!(store.serve(&mut part, 50, &ALONE, after(1_000)).is_empty());
    store.serve(&mut part, 50, &ALONE, after(1_100));
    assert_eq!(part.stand(Some(50), after(1_100)), Stand::Ready);
}

#[test]
fn nobody_waits_long_for_a_store_that_says_nothing() {
    let mut part = day();
    part.miss(NOON);
    let mut wants = Vec::new();
    part.wants(Some(50), &ALONE, NOON, &mut wants);
    assert_eq!(part.stand(Some(50), after(1_999)), Stand::Asking);
    assert_eq!(part.stand(Some(50), after(2_000)), Stand::Away(after(3_000)));
}

#[test]
fn what_was_granted_under_a_higher_limit_goes_back() {
    let (mut store, mut part) = (Model::default(), day());
    store.serve(&mut part, 100, &ALONE, NOON);
    for _ in 0..4 {
        part.take(Some(100), NOON).expect("in hand");
    }
    assert_eq!(part.take(Some(5), NOON), None);
    store.serve(&mut part, 5, &ALONE, NOON);
    assert!(part.take(Some(5), NOON).is_some());
    assert_eq!(part.stand(Some(5), NOON), Stand::Spent(NOON.day().end()));
    assert_eq!(part.stand(Some(6), NOON), Stand::Asking, "the limit was raised");
    assert_eq!(part.stand(None, NOON), Stand::Ready, "and lifted");
}

#[test]
fn of_a_minute_nobody_keeps_more_than_a_share_once_others_are_there() {
    let kind = QuotaKind::AccountMinute;
    let (mut store, mut first, mut second) =
        (Model::default(), Allowance::new(kind, 1), Allowance::new(kind, 1));
    let two = Pace { replicas: 2, ..ALONE };
    first.miss(NOON);
    store.serve(&mut first, 20, &ALONE, NOON);
    second.miss(NOON);
    store.serve(&mut second, 20, &two, NOON);
    assert_eq!(second.stand(Some(20), NOON), Stand::Spent(after(60_000)));
    store.serve(&mut first, 20, &two, NOON);
    second.miss(after(1_000));
    store.serve(&mut second, 20, &two, after(1_000));
    assert_eq!(second.stand(Some(20), after(1_000)), Stand::Ready);
}

#[test]
fn one_that_nobody_asks_leaves_the_day_to_the_others() {
    let (mut store, mut part) = (Model::default(), day());
    let four = Pace { replicas: 4, ..ALONE };
    part.miss(NOON);
    store.serve(&mut part, 200, &four, NOON);
    assert_eq!(store.leased[&(part.quota(), 20_000)], 12);
    store.serve(&mut part, 200, &four, after(10_000));
    assert_eq!(store.leased[&(part.quota(), 20_000)], 0);
    part.miss(after(10_000));
    store.serve(&mut part, 200, &four, after(10_000));
    assert_eq!(part.stand(Some(200), after(10_000)), Stand::Ready);
}

#[test]
fn what_the_upstream_counted_is_told_once() {
    let (mut store, mut part) = (Model::default(), day());
    store.serve(&mut part, 50, &ALONE, NOON);
    part.raise(45, NOON);
    store.serve(&mut part, 50, &ALONE, NOON);
    assert_eq!(part.leased(NOON), Some(45));
    part.raise(45, NOON);
    assert!(store.serve(&mut part, 50, &ALONE, NOON).is_empty());
}

#[test]
fn everything_in_hand_goes_back_at_the_end() {
    let (mut store, mut part) = (Model::default(), day());
    store.serve(&mut part, 50, &ALONE, NOON);
    part.take(Some(50), NOON).expect("in hand");
    let mut wants = Vec::new();
    part.give_all(Some(50), &mut wants);
    for want in &wants {
        store.lease(1, want);
    }
    assert_eq!(store.leased[&(part.quota(), 20_000)], 1);
    assert_eq!(part.take(Some(50), NOON), None);
}

#[test]
fn two_that_were_one_all_along_hold_what_both_held() {
    let (mut store, mut one) = (Model::default(), day());
    let mut other = Allowance::new(QuotaKind::AccountDay, 2);
    store.serve(&mut one, 50, &ALONE, NOON);
    store.serve(&mut other, 50, &ALONE, NOON);
    one.merge(other);
    for _ in 0..20 {
        assert!(one.take(Some(50), NOON).is_some());
    }
    assert_eq!(one.take(Some(50), NOON), None);
}

#[test]
fn what_is_taken_over_counts_once_the_store_has_said_how_much_it_is() {
    let mark = |used, limit| Mark { quota: day().quota(), period: 20_000, used, limit };
    for (held, used, usable) in [(10, 4, 6), (3, 4, 0), (0, 0, 0)] {
        let (mut store, mut part) = (Model::default(), day());
        store.leased.insert((part.quota(), 20_000), 40);
        store.held.insert((part.quota(), 20_000, 1), held);
        part.adopt(&mark(used, 50));
        assert_eq!(part.stand(Some(50), NOON), Stand::Asking);
        let wants = store.serve(&mut part, 50, &ALONE, NOON);
        assert_eq!((wants.len(), wants[0].take, wants[0].give), (1, 0, 0));
        let drawn = (0..20).filter(|_| part.take(Some(50), NOON).is_some()).count();
        assert_eq!(drawn, usable, "{used} of {held} were used");
    }
    let mut part = day();
    part.adopt(&mark(4, 50));
    let mut wants = Vec::new();
    part.give_all(Some(50), &mut wants);
    assert!(wants.is_empty(), "nothing goes back that was not confirmed");
}

#[test]
fn what_was_taken_over_under_a_higher_limit_goes_back() {
    let (mut store, mut part) = (Model::default(), day());
    store.leased.insert((part.quota(), 20_000), 40);
    store.held.insert((part.quota(), 20_000, 1), 40);
    part.adopt(&Mark { quota: part.quota(), period: 20_000, used: 3, limit: 200 });
    store.serve(&mut part, 5, &ALONE, NOON);
    assert_eq!(part.take(Some(5), NOON), None);
    store.serve(&mut part, 5, &ALONE, NOON);
    assert!(part.take(Some(5), NOON).is_some());
    assert!(store.leased[&(part.quota(), 20_000)] <= 5);
}

#[test]
fn what_became_of_a_lost_answer_shows_in_the_next() {
    for (reached, usable) in [(true, 20), (false, 10)] {
        let (mut store, mut part) = (Model::default(), day());
        store.serve(&mut part, 50, &ALONE, NOON);
        for _ in 0..6 {
            part.take(Some(50), NOON).expect("in hand");
        }
        let mut wants = Vec::new();
        part.wants(Some(50), &ALONE, NOON, &mut wants);
        if reached {
            store.lease(1, &wants[0]);
        }
        part.told(&wants[0], None, NOON);
        part.raise(1, NOON);
        part.wants(Some(50), &ALONE, after(1_000), &mut wants);
        let again = Want { take: 0, ..wants[1] };
        part.told(&again, Some(store.lease(1, &again)), after(1_000));
        let drawn = 6 + (0..50).filter(|_| part.take(Some(50), after(1_000)).is_some()).count();
        assert_eq!(drawn, usable, "{reached}");
    }
}

/// What happens to one of several processes.
#[derive(Debug, Clone)]
enum Event {
    /// So many want one each.
    Ask(u8),
    /// A hand-off, answered at once.
    HandOff,
    /// A hand-off whose question is lost, or whose answer is.
    Broken { reached: bool },
    /// It begins a hand-off and pauses; the answer comes with its next event.
    Pause,
    /// One that was drawn is given back.
    NeverSent,
    /// It is killed and started again, with its notebook or without; or while it asks.
    Crash { noted: bool, asking: Option<bool> },
    /// It stops in order and is started again.
    Drain,
    /// Its clock moves, by seconds.
    Walk(i16),
    /// Time passes for everybody, by seconds.
    Pass(u16),
    /// It hears of so many processes.
    Hear(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1u8..20).prop_map(Event::Ask),
        8 => Just(Event::HandOff),
        1 => any::<bool>().prop_map(|reached| Event::Broken { reached }),
        2 => Just(Event::Pause),
        1 => Just(Event::NeverSent),
        1 => any::<(bool, Option<bool>)>().prop_map(|(noted, asking)| Event::Crash { noted, asking }),
        1 => Just(Event::Drain),
        1 => (-90i16..90).prop_map(Event::Walk),
        2 => (1u16..40).prop_map(Event::Pass),
        1 => (1u8..5).prop_map(Event::Hear),
    ]
}

struct Process {
    holder: u64,
    part: Allowance,
    walk: i64,
    pace: Pace,
    /// Questions whose answers are on their way.
    answers: Vec<(Want, Granted)>,
    drawn: Vec<Drawn>,
}

impl Process {
    fn new(kind: QuotaKind) -> Process {
        Process {
            holder: fastrand::u64(..),
            part: Allowance::new(kind, 1),
            walk: 0,
            pace: ALONE,
            answers: Vec::new(),
            drawn: Vec::new(),
        }
    }

    /// Another process in its place that finds what it has noted.
    fn restart(&mut self) {
        let marks: Vec<Mark> = self.part.marks().collect();
        let kind = self.part.quota().kind;
        *self = Process { holder: self.holder, ..Process::new(kind) };
        marks.iter().for_each(|mark| self.part.adopt(mark));
    }

    /// It asks and hears nothing.
    fn ask_in_vain(&mut self, store: &mut Model, limit: u32, now: Timestamp, reached: bool) -> Vec<Want> {
        let mut wants = Vec::new();
        self.part.wants(Some(limit), &self.pace, now, &mut wants);
        for want in wants.iter().filter(|_| reached) {
            store.lease(self.holder, want);
        }
        wants
    }

    fn now(&self, time: u64) -> Timestamp {
        Timestamp::from_millis(NOON.millis() + i64::try_from(time).expect("small") * 1000 + self.walk * 1000)
    }
}

proptest! {
    /// However processes crash, pause, lose answers and disagree about the time: of no period more is
    /// used than the limit.
    #[test]
    fn the_sum_never_passes_the_limit(
        daily in any::<bool>(),
        limit in 1u32..60,
        events in prop::collection::vec((0usize..3, event()), 1..300),
    ) {
        let kind = if daily { QuotaKind::AccountDay } else { QuotaKind::AccountMinute };
        let mut store = Model::default();
        let mut processes: Vec<Process> = (0..3).map(|_| Process::new(kind)).collect();
        let mut used: HashMap<i64, i64> = HashMap::new();
        let mut time = 0u64;
        for (who, event) in events {
            let process = &mut processes[who];
            let now = process.now(time);
            for (want, granted) in process.answers.drain(..) {
                process.part.told(&want, Some(granted), now);
            }
            let mut wants = Vec::new();
            match event {
                Event::Ask(count) => for _ in 0..count {
                    match process.part.take(Some(limit), now) {
                        Some(drawn) => {
                            for period in drawn.first..=drawn.last {
                                *used.entry(period).or_default() += 1;
                            }
                            process.drawn.push(drawn);
                        }
                        None => process.part.miss(now),
                    }
                }
                Event::HandOff => {
                    store.serve_to(process.holder, &mut process.part, limit, &process.pace, now);
                }
                Event::Broken { reached } => {
                    for want in process.ask_in_vain(&mut store, limit, now, reached) {
                        process.part.told(&want, None, now);
                    }
                }
                Event::Pause => {
                    process.part.wants(Some(limit), &process.pace, now, &mut wants);
                    let holder = process.holder;
                    process.answers = wants.iter().map(|want| (*want, store.lease(holder, want))).collect();
                }
                Event::NeverSent => if let Some(drawn) = process.drawn.pop() {
                    for period in drawn.first..=drawn.last {
                        *used.entry(period).or_default() -= 1;
                    }
                    process.part.give_back(drawn);
                }
                Event::Crash { noted, asking } => {
                    if let Some(reached) = asking {
                        process.ask_in_vain(&mut store, limit, now, reached);
                    }
                    if noted { process.restart() } else { *process = Process::new(kind) }
                }
                Event::Drain => {
                    process.part.give_all(Some(limit), &mut wants);
                    wants.iter().for_each(|want| { store.lease(process.holder, want); });
                    process.restart();
                }
                Event::Walk(seconds) => process.walk = i64::from(seconds),
                Event::Pass(seconds) => time += u64::from(seconds),
                Event::Hear(replicas) => process.pace.replicas = usize::from(replicas),
            }
            for (period, used) in &used {
                prop_assert!(*used <= i64::from(limit), "{used} of {limit} in {period}");
            }
        }
    }

    /// Everything can be used, however the requests are spread, and whoever is killed when.
    #[test]
    fn the_whole_limit_is_usable(
        limit in 1u32..300,
        replicas in 1usize..5,
        choices in prop::collection::vec((0usize..5, prop::option::weighted(0.1, any::<Option<bool>>())), 40),
    ) {
        let mut store = Model::default();
        let mut processes: Vec<Process> = (0..replicas).map(|_| Process::new(QuotaKind::AccountDay)).collect();
        let (mut used, mut time, mut in_vain) = (0u64, 0u64, 0);
        for (choice, crash) in choices.iter().cycle() {
            let process = &mut processes[choice % replicas];
            process.pace.replicas = replicas;
            let now = process.now(time);
            if let Some(asking) = crash {
                // What was never answered is noted nowhere: of that a first block can be lost.
                if let Some(reached) = asking.filter(|_| process.part.leased(now).is_some()) {
                    process.ask_in_vain(&mut store, limit, now, reached);
                }
                process.restart();
            } else if process.part.take(Some(limit), now).is_some() {
                used += 1;
                in_vain = 0;
            } else {
                in_vain += 1;
                process.part.miss(now);
            }
            for process in &mut processes {
                store.serve_to(process.holder, &mut process.part, limit, &Pace { replicas, ..ALONE }, now);
            }
            time += 1;
            if in_vain > 60 {
                break;
            }
        }
        prop_assert_eq!(used, u64::from(limit));
    }
}
