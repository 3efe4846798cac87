//! The form by which a job that has ended, or waits for its time, is run elsewhere or within other limits.

use panofleet_job_schema::spec::Priority;
use panofleet_jobs_db::Scope;

use crate::api::JobView;
use crate::api::auth::granted::Granted;
use crate::api::view::StateView;
use crate::pages::html::Text;
use crate::pages::language::say;
use crate::pages::words;

/// The form; nothing for those who may not, and while the job is under way. What is left empty stays as it was.
pub(super) fn form(api: &Granted, job: &JobView) -> String {
    let waits = matches!(job.state, StateView::Waiting { .. });
    if !api.has(Scope::JobsWrite) || !(job.is_terminal() || waits) {
        return String::new();
    }
    let (title, button) = if waits {
        let title = say("Run now elsewhere, or within other limits", "换区域或调整限制后立即运行");
        (title, say("Run now so", "按此立即运行"))
    } else {
        let title =
            say("Run again elsewhere, or within other limits", "换区域或调整限制后重新运行");
        (title, say("Run again so", "按此重新运行"))
    };
    let allowed = |region: &&str| {
        let regions = &api.principal().regions;
        regions.is_empty() || regions.iter().any(|own| own.as_str() == *region)
    };
    let regions = api.config.regions.keys().map(|region| region.as_str()).filter(allowed);
    let regions = options(regions.map(|region| (region, region)));
    let bands = Priority::ALL.map(|band| (band.name(), words::band(band)));
    let text = |name: &str, title: &str, example: &str| {
        format!("<label>{title} <input name=\"{name}\" placeholder=\"{example}\"></label>\n")
    };
    let choice = |name: &str, title: &str, options: &str| {
        format!("<label>{title} <select name=\"{name}\">{options}</select></label>\n")
    };
    let fields = [
        choice("region", say("Region", "区域"), &regions),
        choice("priority", say("Priority", "优先级"), &options(bands)),
        text("timeout", say("An attempt may take", "单次尝试时限"), "2h"),
        text("deadline", say("All attempts may take", "总时限"), "24h"),
        format!(
            "<label>{} <input name=\"max_attempts\" type=\"number\" min=\"1\" placeholder=\"5\"></label>\n",
            say("Attempts at most", "最多尝试次数"),
        ),
    ]
    .concat();
    format!(
        "<details class=\"search rerun\"><summary>{}</summary>\n\
         <form data-method=\"POST\" data-path=\"/v1/jobs/{}/retry\">\n{fields}<button>{}</button></form>\n</details>\n",
        title, job.id, button,
    )
}

fn options<'a>(choices: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let option =
        |(value, text)| format!("<option value=\"{}\">{}</option>", Text(value), Text(text));
    let all: String = choices.into_iter().map(option).collect();
    format!("<option value=\"\">{}</option>{all}", say("as before", "不变"))
}
