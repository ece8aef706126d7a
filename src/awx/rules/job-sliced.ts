import { type AwxRule, placeOf } from './rule.ts'

export const jobSliced: AwxRule = {
  id: 'awx-job-sliced',
  description: 'A job in slices, or twice at once, works on one system from two places.',
  check: ({ controller_templates }) =>
    controller_templates.flatMap(({ name, job_slice_count, allow_simultaneous }) => [
      ...(job_slice_count === 1
        ? []
        : [
            {
              path: placeOf('controller_templates', name, 'job_slice_count'),
              message: `${job_slice_count} slices make a workflow of the job`,
              suggest: 'write 1',
            },
          ]),
      ...(allow_simultaneous
        ? [
            {
              path: placeOf('controller_templates', name, 'allow_simultaneous'),
              message: 'two of it may run at once',
              suggest: 'write `false`',
            },
          ]
        : []),
    ]),
}
