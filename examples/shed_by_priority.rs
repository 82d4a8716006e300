//! When there is too much to do, how do I drop what matters least?

use breakerbox::clock::TokioClock;
use breakerbox::{Pipeline, bulkhead, shed};
use std::time::Duration;
use tokio::time::sleep;

// Time is paused here, so that the overload is over at once; leave out `clock` in a program of yours.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = bulkhead::Settings {
        queue: 64,
        queue_timeout: Duration::from_secs(60),
        ..bulkhead::Settings::new(1)
    };
    let shop = Pipeline::builder("shop")
        .bulkhead(settings)
        .shed(shed::Settings::default())
        .clock(TokioClock::new())
        .build()?;
    // Twice as many calls come as one worker of 20 ms can do.
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..2000 {
        let (shop, urgency) = (shop.clone(), if number % 2 == 0 { 7 } else { 0 });
        calls.spawn(async move {
            let work = || async {
                sleep(Duration::from_millis(20)).await;
                Ok::<_, ()>(())
            };
            let result = shop.protect().priority(urgency).call(work).await;
            (urgency, result.is_err_and(|error| error.is_rejected()))
        });
        sleep(Duration::from_millis(10)).await;
    }
    let all = calls.join_all().await;
    let share = |urgency: u8| {
        let calls = all.iter().filter(|(of, _)| *of == urgency);
        calls.clone().filter(|(_, shed)| *shed).count() * 100 / calls.count()
    };
    println!("more than half of what matters least was shed: {}", share(7) > 50);
    println!("of what matters most: {} %", share(0));
    Ok(())
}
