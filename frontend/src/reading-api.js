/** What the result page asks for beside the result: other studies of the patient, and the package's card. */
import { request } from './api.js';

const part = (id) => encodeURIComponent(id);

export const readingApi = {
  studyPriors: (studyId, options) => request(`/studies/${part(studyId)}/priors`, options),
  jobCard: (jobId, options) => request(`/jobs/${part(jobId)}/card`, options),
};
