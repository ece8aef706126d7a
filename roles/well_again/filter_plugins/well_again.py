"""Which systems are well again, by the last jobs of their job templates on AWX."""

from datetime import datetime, timedelta, timezone

ENDED = ("successful", "failed", "error", "canceled")


def _time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _minute(text):
    return _time(text).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _window(runs, job):
    """From when until when jobs ended that have not been looked at: the starts of two runs of this."""
    this = next((run for run in runs if run["id"] == int(job)), None)
    until = _time(this["started"]) if this else datetime.now(timezone.utc)
    # A copy of what AWX notified of is never far away: after a longer gap a person has looked already.
    after = until - timedelta(days=1)
    earlier = [run for run in runs if run["status"] == "successful" and run["id"] != int(job)]
    return max([after, *(_time(run["started"]) for run in earlier)]), until


def _jobs(template, until):
    """Its jobs that have ended, oldest first. AWX lists the last ten."""
    jobs = [
        job
        for job in template["summary_fields"].get("recent_jobs", [])
        if job["status"] in ENDED and job["finished"] and _time(job["finished"]) <= until
    ]
    return sorted(jobs, key=lambda job: _time(job["finished"]))


def _mended(jobs, after):
    """The failed jobs in a row before the last success that ended one, and that success; nothing if it is older."""
    failed = [index for index, job in enumerate(jobs) if job["status"] != "successful"]
    if not failed or failed[-1] == len(jobs) - 1:
        return None
    last = failed[-1]
    if _time(jobs[last + 1]["finished"]) <= after:
        return None
    first = last
    while first > 0 and jobs[first - 1]["status"] != "successful":
        first -= 1
    return jobs[first : last + 1], jobs[last + 1]


def well_again(live, defined, scheduled, runs, job=0):
    """The answers for the job that tells of it, for each system that is well again.

    :param live: the job templates as AWX's API lists them
    :param defined: our job templates, with `name` and `limit`
    :param scheduled: the names of those that run again by themselves
    :param runs: the last jobs of the template that asks this, newest first
    :param job: the number of the one that asks
    """
    after, until = _window(runs, job)
    limits = {template["name"]: template["limit"] for template in defined}
    mended, failing = {}, set()
    for template in live:
        name = template["name"]
        if name not in limits:
            continue
        jobs = _jobs(template, until)
        if jobs and jobs[-1]["status"] != "successful" and name in scheduled:
            failing.add(limits[name])
        found = _mended(jobs, after)
        if found:
            mended.setdefault(limits[name], []).append((name, *found))
    told = []
    for system, found in sorted(mended.items()):
        if system in failing:
            continue
        well = max((success["finished"] for _, _, success in found), key=_time)
        bad = min((failed[0]["finished"] for _, failed, _ in found), key=_time)
        told.append(
            {
                "well_again_system": system,
                "well_again_since": f"Since {_minute(well)}; it was not since {_minute(bad)}.",
                "well_again_bad": "Failed: "
                + "; ".join(f"{name} ({len(failed)} in a row)" for name, failed, _ in found)
                + ".",
            }
        )
    return told


class FilterModule:
    """The filter of the role `well_again`."""

    def filters(self):
        return {"well_again": well_again}
