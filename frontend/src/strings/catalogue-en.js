/** Every word in English: one line an area. */
import { enAdministration } from './en-administration.js';
import { enBatches } from './en-batches.js';
import { enDeployments } from './en-deployments.js';
import { enGuide } from './en-guide.js';
import { enOnboarding } from './en-onboarding.js';
import { enOperations } from './en-operations.js';
import { enRegistry } from './en-registry.js';
import { enViewer } from './en-viewer.js';
import { enWorklist } from './en-worklist.js';
import { en } from './en.js';

export const catalogue = {
  ...en,
  ...enAdministration,
  ...enBatches,
  ...enDeployments,
  ...enGuide,
  ...enOnboarding,
  ...enOperations,
  ...enRegistry,
  ...enWorklist,
  viewer: enViewer,
};
