import { backoffSeconds, pollingCreate } from '@/polling.js';

const page = () => Object.assign(new EventTarget(), { hidden: false });
const flush = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function make(answers, options = {}) {
  const asked = [];
  const states = [];
  const data = [];
  const fatal = [];
  const poller = pollingCreate({
    fetcher: async ({ etag }) => {
      asked.push(etag);
      const answer = answers[Math.min(asked.length - 1, answers.length - 1)];
      if (answer instanceof Error) throw answer;
      return {
        status: 200,
        data: null,
        etag: null,
        retryAfterSeconds: null,
        ...answer,
      };
    },
    onData: (value) => data.push(value),
    onState: (state) => states.push(state),
    onFatal: (error) => fatal.push(error),
    delaySeconds: () => 3,
    page: page(),
    random: () => 0.5,
    ...options,
  });
  return { poller, asked, states, data, fatal };
}

const lost = (extra = {}) => Object.assign(new Error('lost'), { status: 0, ...extra });

it('sends the ETag of the last answer and keeps quiet on a 304', async () => {
  const { poller, asked, data } = make([
    { data: 'first', etag: 'W/"1"' },
    { status: 304 },
    { data: 'second', etag: 'W/"2"' },
  ]);
  poller.start();
  await flush();
  await vi.advanceTimersByTimeAsync(6000);
  expect(asked).toEqual([null, 'W/"1"', 'W/"1"']);
  expect(data).toEqual(['first', 'second']);
  poller.stop();
});

it('waits as long as Retry-After asks, but no longer than a minute', async () => {
  const { poller, asked } = make([{ retryAfterSeconds: 10 }, { retryAfterSeconds: 4000 }]);
  poller.start();
  await flush();
  await vi.advanceTimersByTimeAsync(9900);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(60100);
  expect(asked).toHaveLength(3);
  poller.stop();
});

it('asks nothing while the tab is hidden and asks at once when it is shown', async () => {
  const document = page();
  const { poller, asked, states } = make([{}], { page: document });
  poller.start();
  await flush();
  document.hidden = true;
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(60000);
  expect(asked).toHaveLength(1);
  expect(states.at(-1)).toEqual({ name: 'paused' });
  document.hidden = false;
  document.dispatchEvent(new Event('visibilitychange'));
  await flush();
  expect(asked).toHaveLength(2);
  poller.stop();
});

it('backs off twice as long after each error and returns to the usual pace after one success', async () => {
  const { poller, asked, states } = make([lost(), lost(), {}]);
  poller.start();
  await flush();
  expect(states.at(-1)).toMatchObject({ name: 'retrying', seconds: 2 });
  await vi.advanceTimersByTimeAsync(2000);
  expect(states.at(-1)).toMatchObject({ name: 'retrying', seconds: 4 });
  await vi.advanceTimersByTimeAsync(4000);
  expect(states.at(-1)).toEqual({ name: 'live' });
  await vi.advanceTimersByTimeAsync(3000);
  expect(asked).toHaveLength(4);
  poller.stop();
});

it('honours the Retry-After of a refusal over its own back-off', async () => {
  const { poller, states } = make([lost({ status: 503, retryAfterSeconds: 20 })]);
  poller.start();
  await flush();
  expect(states.at(-1)).toMatchObject({ name: 'retrying', seconds: 20 });
  poller.stop();
});

it('spreads the back-off by a fifth either way and never exceeds 36 seconds', () => {
  expect(backoffSeconds(1, () => 0)).toBeCloseTo(1.6);
  expect(backoffSeconds(1, () => 1)).toBeCloseTo(2.4);
  expect(backoffSeconds(50, () => 1)).toBeCloseTo(36);
});

it('stops for good on a 404 and hands the error over', async () => {
  const { poller, asked, states, fatal } = make([lost({ status: 404 })]);
  poller.start();
  await flush();
  await vi.advanceTimersByTimeAsync(60000);
  expect(asked).toHaveLength(1);
  expect(states.at(-1)).toEqual({ name: 'stopped' });
  expect(fatal.map(({ status }) => status)).toEqual([404]);
});

it('stops when there is nothing more to wait for, and can be started again', async () => {
  const { poller, asked, states } = make([{ data: 'done' }], {
    delaySeconds: () => null,
  });
  poller.start();
  await flush();
  await vi.advanceTimersByTimeAsync(60000);
  expect(asked).toHaveLength(1);
  expect(states).toEqual([{ name: 'stopped' }]);
  poller.start();
  await flush();
  expect(asked).toHaveLength(2);
});

it('forgets the ETag when what is asked for has changed', async () => {
  const { poller, asked } = make([{ data: 'a', etag: '"1"' }]);
  poller.start();
  await flush();
  poller.reset();
  await flush();
  expect(asked).toEqual([null, null]);
  poller.stop();
});

it('drops the answer to a question that a newer one has overtaken', async () => {
  const waiting = [];
  const data = [];
  const poller = pollingCreate({
    fetcher: () => new Promise((resolve) => waiting.push(resolve)),
    onData: (value) => data.push(value),
    page: page(),
  });
  poller.start();
  poller.reset();
  waiting[1]({ status: 200, data: 'new', etag: null });
  waiting[0]({ status: 200, data: 'old', etag: null });
  await flush();
  expect(data).toEqual(['new']);
  poller.stop();
});
