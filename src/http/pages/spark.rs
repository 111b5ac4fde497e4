//! A day of settlements as bars.

use maud::{Markup, html};

const HEIGHT: u64 = 60;
const STEP: usize = 10;

/// One bar per hour. Said aloud it is one sentence.
pub(super) fn bars(by_hour: &[u64]) -> Markup {
    let most = by_hour.iter().copied().max().unwrap_or(0);
    let busiest = format!("Settlements by hour; {most} in the busiest");
    let view = format!("0 0 {} {HEIGHT}", by_hour.len() * STEP - 3);
    html! {
        svg class="spark" viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(busiest) {
            @for (at, hour) in by_hour.iter().enumerate() {
                @let height = height(*hour, most);
                rect class=[(*hour == 0).then_some("rest")] x=(at * STEP) y=(HEIGHT - height) width="7" height=(height) rx="1.5" {}
            }
        }
    }
}

/// What is there is seen, however little beside the most.
fn height(hour: u64, most: u64) -> u64 {
    match (hour, most) {
        (0, _) | (_, 0) => 2,
        _ => hour.saturating_mul(HEIGHT).div_ceil(most).max(4),
    }
}
