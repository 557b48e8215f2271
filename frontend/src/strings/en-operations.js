/** The operators' dashboard: its window, the time from submission to result, and the stages of a run. */
export const enOperations = {
  operationsTime: {
    window: 'Time',
    windows: { w1h: 'An hour', w24h: 'A day', w7d: 'A week' },
    last: { w1h: 'last hour', w24h: 'last 24 hours', w7d: 'last 7 days' },
    step: { w1h: 'Five minutes from', w24h: 'Hour from', w7d: 'Six hours from' },
    throughputChart: 'Jobs that ended, by time',
    total: 'From submission to result',
    totalChart: 'Seconds from submission to result, by time',
    median: 'Median',
    p95: '95 % within',
    summary:
      'Half of {jobs} results came within {p50}, 95 % within {p95}. The slowest step began {at}: 95 % within {worst}.',
    summaryNone: 'No result in this time.',
    totalMedian: 'Median to result',
    total_seconds: 'Submission to result',
    stages: 'Stages of a run',
    stage: 'Stage',
    stagesNone: 'No run has been measured in this time.',
    kinds: { batches: 'Batches', webhooks: 'Webhooks' },
    missingTitle: 'Not running: {kinds}',
    missingText: 'Start what is missing, or look at its log. /readyz says the same.',
  },
};
