/** The worklist's further filters, changes of many jobs, and its first steps. */
export const enWorklist = {
  filters: {
    more: 'More filters and order',
    deployment: 'Deployment',
    anyDeployment: 'Any deployment',
    side: 'Suspicion',
    anySide: 'Any suspicion',
    sides: { above: 'At or above the threshold', below: 'Below the threshold' },
    from: 'Submitted from',
    until: 'Submitted until',
    sort: 'Order',
    newest: 'Newest first',
    oldest: 'Oldest first',
  },
  bulk: {
    all: 'Select all shown',
    cancel: 'Cancel them',
    cancelTitle: { one: 'Cancel {n} job?', other: 'Cancel {n} jobs?' },
    cancelText: 'Jobs that have ended stay as they are. Cancelled ones can be retried later.',
    cancelDone: { one: '{n} job cancelled', other: '{n} jobs cancelled' },
    retry: 'Retry them',
    retryTitle: { one: 'Retry {n} job?', other: 'Retry {n} jobs?' },
    retryText: 'Failed and cancelled jobs go back into the queue with the same model. Others stay as they are.',
    retryDone: { one: '{n} job is back in the queue', other: '{n} jobs are back in the queue' },
    refused: {
      one: '{n} was in a state that does not allow it.',
      other: '{n} were in a state that does not allow it.',
    },
    notFound: { one: '{n} is no longer there.', other: '{n} are no longer there.' },
  },
  firstSteps: {
    token: 'Make a token for a program',
    hint: 'Any mammogram will do: DICOM files or pictures, one study or a whole folder. A program sends studies with a token.',
  },
};
