//! Who goes next among the tenants of one queue: pure, without IO and without a clock.
//!
//! In a band, tenants share by *start-time fair queueing* (Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM
//! 1996): virtual time runs by [`ROUND`] for each job at weight 1, by half of it at weight 2. A tenant's next job starts
//! where its last one ended, but never in the past: who was idle has saved nothing, and goes at once. The least start
//! goes first. So of two tenants that both wait, neither is ever more than one job ahead of its share.
//!
//! Only so many tenants are looked at in each band ([`TENANTS_MAX`], a *window* of names). If there are more, everybody
//! in the window gets one round, then it moves on to the next names; a round lasts longer, and is as fair.
//!
//! A job's band is where it was put, or a better one if it has waited ([`Waiting::lifts`]). A line is judged by the job at
//! its head: the tenant itself has put that one before its older ones, by its deadline.

use std::collections::BTreeMap;

use panofleet_job_schema::{Tenant, Timestamp};
use panofleet_jobs_db::ByBand;

/// Tenants that are looked at in one band at once.
pub(super) const TENANTS_MAX: usize = 64;
/// Virtual time of one job at weight 1: every weight up to 20 divides it, and the others err by less than 10⁻⁸.
const ROUND: u64 = 1000 * 232_792_560;
/// Tenants that one band remembers. Beyond that everybody starts anew, which costs nobody more than a round.
const REMEMBERED_MAX: usize = 4 * TENANTS_MAX;

/// What one tenant has queued in one band, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Whose.
    pub(super) tenant: Tenant,
    /// The tenant's share, from 1.
    pub(super) weight: u32,
    /// Jobs that the tenant may have more, over all its lines.
    pub(super) left: u32,
    /// The band that its jobs were put in: 0 goes first.
    pub(super) band: u8,
    /// The jobs that are known, in order, from the head on.
    pub(super) jobs: Vec<Waiting>,
    /// What comes behind them.
    pub(super) beyond: Beyond,
}

/// A job that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// When it has to be finished.
    pub(super) deadline_at: Timestamp,
    /// By how many bands it is lifted because it has waited.
    pub(super) lifts: u8,
}

/// What comes behind the jobs of a line that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Nothing.
    Nothing,
    /// Perhaps more. Nobody who would come after them is chosen.
    Unknown,
    /// For planning: any number of jobs like the last one.
    Alike,
}

/// How the tenants of one queue stand to each other.
#[derive(Clone, Debug, Default)]
pub(super) struct FairShare {
    /// By the band that jobs count in.
    clocks: ByBand<Clock>,
    /// Behind whom the window begins, by the band that jobs were put in.
    after: ByBand<Option<Tenant>>,
    /// Since the window began at the first name, by the same band.
    passes: ByBand<Pass>,
}

/// What a window has shown on its way from the first name to the last.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    /// Whether it has shown anybody who may go.
    is_fruitful: bool,
    /// Whether the pass before has shown nobody, and this one neither so far.
    is_barren: bool,
}

/// The virtual time of a band.
#[derive(Clone, Debug, Default)]
struct Clock {
    now: u64,
    /// Until when each tenant has had its share. Who is not named has had nothing since `now`.
    had: BTreeMap<Tenant, u64>,
}

/// A line while a choice is made.
#[derive(Debug)]
struct Candidate<'a> {
    line: &'a Line,
    taken: usize,
    /// Jobs that its tenant may have more.
    left: u32,
    /// The band that its next job counts in.
    band: usize,
    /// Until when its tenant has had its share of that band.
    had: u64,
}

impl FairShare {
    /// Behind whom the next lines are to be read, by band.
    pub(super) const fn after(&self) -> &ByBand<Option<Tenant>> {
        &self.after
    }

    /// Chooses up to `room` jobs. `lines` are the heads behind [`Self::after`], by band and name, up to
    /// [`TENANTS_MAX`] of each band. Gives the indices of lines: each time, the next job of that line goes.
    ///
    /// If it gives none although there are lines, the window has moved on: read again.
    pub(super) fn choose(&mut self, lines: &[Line], room: u32) -> Vec<usize> {
        let mut candidates: Vec<_> = lines.iter().map(|line| self.candidate(line)).collect();
        let moving = self.moving(lines);
        self.note_who_may_go(&candidates);
        let mut chosen = Vec::new();
        // The bands that were within reach: no job of another one could have gone.
        let mut reach = self.clocks.len();
        while chosen.len() < room as usize {
            let Some(index) = self.first(&candidates, &moving) else {
                reach = self.clocks.len();
                break;
            };
            let next = &candidates[index];
            if (0..next.band).any(|band| moving[band] && !self.passes[band].is_barren) {
                // Of a better band, somebody may wait whom the window does not show.
                reach = next.band;
                break;
            }
            reach = next.band + 1;
            if next.is_unknown() {
                break;
            }
            chosen.push(index);
            self.take(&mut candidates, index);
        }
        self.move_on(&candidates, &moving, reach);
        chosen
    }

    fn candidate<'a>(&self, line: &'a Line) -> Candidate<'a> {
        let mut candidate = Candidate { line, taken: 0, left: line.left, band: 0, had: 0 };
        self.judge(&mut candidate);
        candidate
    }

    /// Reads anew which band the candidate's next job counts in, and what its tenant has had there.
    fn judge(&self, candidate: &mut Candidate<'_>) {
        let lifts = candidate.next().map_or(0, |job| job.lifts);
        candidate.band =
            usize::from(candidate.line.band.saturating_sub(lifts)).min(self.clocks.len() - 1);
        let had = &self.clocks[candidate.band].had;
        candidate.had = had.get(&candidate.line.tenant).copied().unwrap_or(0);
    }

    /// The bands whose window does not show every tenant.
    fn moving(&self, lines: &[Line]) -> ByBand<bool> {
        std::array::from_fn(|band| {
            let shown = lines.iter().filter(|line| usize::from(line.band) == band).count();
            self.after[band].is_some() || shown >= TENANTS_MAX
        })
    }

    fn note_who_may_go(&mut self, candidates: &[Candidate<'_>]) {
        for candidate in candidates.iter().filter(|candidate| candidate.may_go()) {
            let band = usize::from(candidate.line.band);
            self.passes[band] = Pass { is_fruitful: true, is_barren: false };
        }
    }

    /// Whether everybody who may go was shown since somebody last went.
    pub(super) fn has_seen_all(&self) -> bool {
        let mut bands = self.after.iter().zip(&self.passes);
        bands.all(|(after, pass)| after.is_none() || pass.is_barren)
    }

    /// Where the candidate's next job starts.
    fn start(&self, candidate: &Candidate<'_>) -> u64 {
        candidate.had.max(self.clocks[candidate.band].now)
    }

    /// Whether the candidate may go, and in a moving window also something left of its round.
    fn is_open(&self, candidate: &Candidate<'_>, moving: &ByBand<bool>) -> bool {
        let is_moving = moving[usize::from(candidate.line.band)];
        candidate.may_go() && (!is_moving || self.start(candidate) < ROUND)
    }

    /// Whose job goes next.
    fn first(&self, candidates: &[Candidate<'_>], moving: &ByBand<bool>) -> Option<usize> {
        let open = candidates.iter().enumerate();
        let open = open.filter(|(_, candidate)| self.is_open(candidate, moving));
        let rank = |candidate: &Candidate<'_>| (candidate.band, self.start(candidate));
        let deadline = |candidate: &Candidate<'_>| candidate.next().map(|job| job.deadline_at);
        let least = open.min_by(|(_, a), (_, b)| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.line.tenant.cmp(&b.line.tenant))
                .then_with(|| deadline(a).cmp(&deadline(b)))
                .then_with(|| a.line.band.cmp(&b.line.band))
        });
        least.map(|(index, _)| index)
    }

    /// Takes the next job of a candidate.
    fn take(&mut self, candidates: &mut [Candidate<'_>], index: usize) {
        let Candidate { line, band, .. } = candidates[index];
        let start = self.start(&candidates[index]);
        let clock = &mut self.clocks[band];
        clock.now = start;
        let until = start + ROUND.div_ceil(u64::from(line.weight.max(1)));
        clock.had.insert(line.tenant.clone(), until);
        candidates[index].taken += 1;
        self.judge(&mut candidates[index]);
        for other in candidates.iter_mut() {
            if other.line.tenant == line.tenant {
                other.left = other.left.saturating_sub(1);
                if other.band == band {
                    other.had = until;
                }
            }
        }
    }

    /// Moves each window on in which nobody within reach has anything left of the round.
    fn move_on(&mut self, candidates: &[Candidate<'_>], moving: &ByBand<bool>, reach: usize) {
        let mut rounds_over = ByBand::<bool>::default();
        for band in (0..moving.len()).filter(|band| moving[*band]) {
            let shown = || candidates.iter().filter(|c| usize::from(c.line.band) == band);
            if shown().any(|c| c.band < reach && self.is_open(c, moving)) {
                continue;
            }
            let is_full = shown().count() >= TENANTS_MAX;
            let last = shown().map(|c| &c.line.tenant).max();
            self.after[band] = last.filter(|_| is_full).cloned();
            if !is_full {
                let Pass { is_fruitful, .. } = self.passes[band];
                self.passes[band] = Pass { is_fruitful: false, is_barren: !is_fruitful };
            }
            shown().for_each(|c| rounds_over[c.band] = true);
        }
        for (band, clock) in self.clocks.iter_mut().enumerate() {
            if rounds_over[band] {
                clock.pass(clock.now.max(ROUND));
            } else if !candidates.iter().any(|c| c.band == band && moving[usize::from(c.line.band)])
            {
                clock.pass(clock.now);
            }
            if clock.had.len() > REMEMBERED_MAX {
                clock.had.clear();
            }
        }
    }
}

impl Clock {
    /// Counts from a later time on, and forgets whoever has had nothing since.
    fn pass(&mut self, span: u64) {
        self.now = self.now.saturating_sub(span);
        let now = self.now;
        self.had.retain(|_, until| {
            *until = until.saturating_sub(span);
            *until > now
        });
    }
}

impl Candidate<'_> {
    /// The next job; of one that is not known, what it is judged by.
    fn next(&self) -> Option<&Waiting> {
        match self.line.beyond {
            Beyond::Nothing => self.line.jobs.get(self.taken),
            Beyond::Unknown | Beyond::Alike => {
                self.line.jobs.get(self.taken).or_else(|| self.line.jobs.last())
            }
        }
    }

    fn may_go(&self) -> bool {
        self.left > 0 && self.next().is_some()
    }

    fn is_unknown(&self) -> bool {
        self.line.beyond == Beyond::Unknown && self.taken >= self.line.jobs.len()
    }
}

#[cfg(test)]
mod tests;
