import { generatedMark } from '../inventory/files.ts'
import { type FindingId, findingKinds } from '../store/assess.ts'

/** The runbook's page about what `status` finds: a section for each kind of finding, worst first. */
export function findingsPage(): string {
  const sections = Object.entries(findingKinds).map(([id, { severity, title, next }]) =>
    [
      `## ${id}`,
      `**${title}** (${severity}). ${meaning[id as FindingId]}`,
      `To do: ${next}.`,
      ...(more[id as FindingId] ?? []),
    ].join('\n\n'),
  )
  return `${[
    `<!-- ${generatedMark.replace(/^# /, '')} -->\n# Findings`,
    'What `npm run status`, the status page and the alarms may find wrong with the copies of a system, worst first. [RUNBOOK.md](RUNBOOK.md) says how to restore.',
    ...sections,
  ].join('\n\n')}\n`
}

const verify = 'Launch the job template `Verify: <system>`, which checks the bucket again.'
const runBackup =
  'Launch the job template `Back up: <system>` and read its log to the end; the last line names the cause and the next step. In a cluster, the log of the run that failed is `kubectl -n <namespace> logs job/<name>`, and `kubectl -n <namespace> get cronjob <system>` shows whether it is suspended.'
const whoChanged =
  "Only the agent's key may write to the bucket. Ask the store's operators for its access log, and change the key if nobody in your team did it."

const meaning: Readonly<Record<FindingId, string>> = {
  'no-answer': 'The bucket could not be listed: the network, the store, the credential or the name of the bucket.',
  'no-copy': 'Nothing can be restored from the bucket.',
  'newest-copy-lost':
    'A receipt says what the newest copy is, and the bucket holds something else or nothing. A restore takes the newest copy that still matches its receipt.',
  damaged:
    'The agent read the copy back from the bucket with `verify --deep`. Its hash differs from that in the receipt, or its content is truncated. Its size and ETag did not change, so no listing shows the damage.',
  'not-private':
    'The ACL or the policy of the bucket, or the ACL of an object, lets anyone, or anyone with an account, list, read or write. The old images set such ACLs.',
  unprotected:
    "The config protects the system's copies (`protect`), and the bucket does not, or the agent's key may undo it.",
  'guard-acted':
    'The guard starts Rancher again if the run that stopped it cannot. It was armed, and its run did not disarm it. No backup stops Rancher again until a person has accepted that.',
  incomplete:
    'Some files could not be read or sent; the others are in the copy. The receipt names those that are missing.',
  overdue:
    'The run after the newest copy had time to start, even late, and to end; there is no copy of it. If the system is lost now, everything since that copy is lost.',
  'promise-broken': 'The config promises `loseAtMost` or `restorableFor`, and the present copies do not keep it.',
  'from-the-future':
    'The clock of a run was ahead of the store. The copy would count as the newest for a long time and hide that no other is made.',
  'receipt-invalid':
    'The agent writes a receipt once and never changes it. Another program or a person wrote this one.',
  'chain-broken':
    'Each receipt names the hash of the one before it. One of them was changed, or one between them removed.',
  'copy-lost': 'A copy that should still be kept is missing or does not match its receipt.',
  shrunk:
    "The copy is smaller than those before by more than the system's ordinary changes: data was deleted, or the source was not what it should be.",
  'too-few-copies': 'More copies were made than are kept, and fewer are kept than the config says.',
  'client-behind':
    'The server was updated, and the image still has an older client. Such a client may leave out what is new in the server, or write a dump that no server accepts. Drills show whether the copies can still be restored.',
  'drill-overdue': 'Only a restore proves a copy. Two drills in a row were not made or failed.',
  'run-unfinished': 'A run marked its start in the bucket and did not end in the time that it may take.',
  leftovers: 'Uploads in parts began more than two days ago and were neither completed nor aborted.',
  'no-receipts':
    'An old image made the copies. Whether they are complete, what they hold and whether they were changed cannot be known.',
  grown: 'The copy is larger than those before by more than the ordinary changes. Room and time may run out.',
  slower: 'The last three runs took more than twice the time of those before.',
  'longer-outage': 'The last three runs kept the system down for more than twice the time of those before.',
}

const more: Readonly<Partial<Record<FindingId, readonly string[]>>> = {
  'no-copy': [runBackup],
  overdue: [runBackup],
  'newest-copy-lost': [runBackup, whoChanged],
  damaged: [
    '`npm run copies -- <system>` lists the other copies. The receipt of the check is in `.receipts/drill.<system>/` of the bucket. Once the object is removed or good again, the next `verify --deep` ends the finding.',
  ],
  'not-private': [
    '`aws s3api get-bucket-acl --bucket <bucket>` shows who may do what, and `aws s3api put-bucket-acl --bucket <bucket> --acl private` makes it private.',
    'A run of the agent closes the bucket before it writes, on the first run each object too, and from then on the bucket ignores public ACLs that others set. If its key may not do that, the run fails and says so; then the owner of the bucket has to do it.',
    "Passwords in the copies (a dump of a server holds its roles' password hashes) and keys in the files were readable: change them.",
  ],
  unprotected: [
    "[buckets.md](buckets.md) has the commands and the policy, for the bucket's owner. `npm run plan` shows what is left to do.",
  ],
  'guard-acted': [
    'On the Docker host, `docker logs <container>-guard` says what it did, and `guard.json` in the staging folder keeps it. The next run that disarms its guard ends the finding.',
  ],
  leftovers: [
    '`aws s3api list-multipart-uploads --bucket <bucket>` lists them, and `aws s3api abort-multipart-upload` removes one.',
  ],
  'receipt-invalid': [whoChanged],
  'chain-broken': [verify, whoChanged],
  'copy-lost': [verify, whoChanged],
  shrunk: ['`npm run copies -- <system>` lists the copies with their counts; compare the last two.'],
  'run-unfinished': [runBackup],
  'no-receipts': [runBackup],
}
