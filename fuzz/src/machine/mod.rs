//! The pipeline of all policies, told anything in any order on virtual time.

mod settings;
mod world;

use arbitrary::{Result, Unstructured};
use breakerbox_core::Timestamp;
use breakerbox_core::breaker::Control;
use breakerbox_core::pipeline::{Ending, Event, Hint, Keys, Start};

use world::World;

/// Takes the bytes as the settings of a pipeline and what happens to it.
pub fn run(input: &[u8]) {
    // Bytes that are too few leave the rest undone, which is as good as any.
    let _ = course(&mut Unstructured::new(input));
}

fn course(input: &mut Unstructured<'_>) -> Result<()> {
    let settings = settings::settings(input)?;
    if !settings.check().is_empty() {
        return Ok(());
    }
    // Bytes at the end stand for the seed, so that they do not move the rest.
    let mut world = World::new(settings, input.peek_bytes(1).map_or(0, |it| it[0].into()));
    while !input.is_empty() {
        if step(&mut world, input).is_err() {
            break;
        }
        world.check();
    }
    world.end();
    Ok(())
}

/// One thing happens.
fn step(world: &mut World, input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=31_u8)? {
        0..=9 => world.begin(start(input)?),
        10..=17 => {
            let (ending, hint) = (ending(input)?, hint(input)?);
            if let Some((call, attempt)) = world.running(input.arbitrary()?) {
                world.step(call, Event::Ended { attempt, ending, hint });
            }
        }
        18 => {
            if let Some((call, attempt)) = world.running(input.arbitrary()?) {
                world.response_started(call, attempt);
            }
        }
        19..=21 => world.pass_to_next(),
        22..=24 => world.pass(settings::duration(input)?),
        25 => world.pass_all(settings::duration(input)?),
        26 => {
            if let Some(call) = world.any(input.arbitrary()?) {
                world.cancel(call);
            }
        }
        27 => {
            let control = *input.choose(&Control::ALL)?;
            world.control(input.int_in_range(0..=3)?, control);
        }
        28 => {
            let ending = ending(input)?;
            if let Some(call) = world.looking(input.arbitrary()?) {
                world.step(call, Event::Answered { ending });
            }
        }
        29 => {
            // What does not fit is a mistake of the driver, and must do no harm.
            if let Some(call) = world.any(input.arbitrary()?) {
                let attempt = input.int_in_range(0..=3)?;
                world.step(call, Event::ended(attempt, ending(input)?));
            }
        }
        30 => {
            if let Some(call) = world.any(input.arbitrary()?) {
                match input.arbitrary()? {
                    true => world.not_repeatable(call),
                    false => world.waited_for_caller(call),
                }
            }
        }
        _ => world.look(),
    }
    Ok(())
}

fn start(input: &mut Unstructured<'_>) -> Result<Start> {
    let bits: u8 = input.arbitrary()?;
    let left = if bits & 1 == 0 { None } else { Some(settings::duration(input)?) };
    let key = |bit: u8, input: &mut Unstructured<'_>| -> Result<Option<u64>> {
        if bits & bit == 0 { Ok(None) } else { input.int_in_range(0..=4).map(Some) }
    };
    Ok(Start {
        left,
        repeatable: bits & 2 == 0,
        hedgeable: bits & 4 == 0,
        urgency: input.int_in_range(0..=9)?,
        weight: if bits & 8 == 0 { 1 } else { *input.choose(&[0, 2, 5, u32::MAX])? },
        lookup: bits & 16 != 0,
        keys: Keys {
            rate_limit: key(32, input)?,
            breaker: key(64, input)?,
            shed: key(128, input)?,
            chaos: None,
            spared: bits & 3 == 3,
        },
    })
}

fn ending(input: &mut Unstructured<'_>) -> Result<Ending> {
    let all = [
        Ending::Success,
        Ending::Success,
        Ending::Failure,
        Ending::Failure,
        Ending::Failure,
        Ending::Ignored,
        Ending::Panicked,
    ];
    Ok(*input.choose(&all)?)
}

fn hint(input: &mut Unstructured<'_>) -> Result<Hint> {
    let bits: u8 = input.arbitrary()?;
    Ok(Hint {
        failure: settings::failure(input)?,
        retry_after: match bits & 3 {
            0 => Some(settings::duration(input)?),
            1 => Some(Timestamp::NEVER.since(Timestamp::ZERO)),
            _ => None,
        },
        never_sent: bits & 4 != 0,
        again: [None, None, Some(true), Some(false)][usize::from(bits >> 3 & 3)],
    })
}
