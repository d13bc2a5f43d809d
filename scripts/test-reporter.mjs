// Closes a test run with every skip and its reason, and one plain line of totals.
// A skip without a reason, and a run in which nothing was tested, fail. What `-t` leaves out does not count.

const reasonOf = (test) => test.result().note;

export default class TotalsReporter {
  onInit(vitest) {
    this.namePattern = vitest.config.testNamePattern;
  }

  onTestRunEnd(modules, unhandledErrors) {
    const chosen = (test) => this.namePattern?.test(test.fullName.replaceAll(' > ', ' ')) ?? true;
    const tests = modules.flatMap((module) => [...module.children.allTests()].filter(chosen));
    const inState = (state) => tests.filter((test) => test.result().state === state);
    const passed = inState('passed').length;
    const skipped = inState('skipped');
    // A file that does not load, or an error outside any test, has no test to be counted by.
    const brokenFiles = modules.filter((module) => module.errors().length > 0);
    const failed = inState('failed').length + brokenFiles.length + unhandledErrors.length;
    const unexplained = skipped.filter((test) => !reasonOf(test));

    for (const test of skipped) {
      console.log(`skipped: ${test.module.relativeModuleId}: ${test.fullName}: ${reasonOf(test) ?? 'NO REASON GIVEN'}`);
    }
    if (unexplained.length > 0) console.log("a skip needs its reason: call `context.skip('why')` inside the test");
    if (passed + failed === 0) console.log('no test ran');
    console.log(
      `\n${passed} passed, ${failed + unexplained.length} failed, ${skipped.length - unexplained.length} skipped`,
    );
    if (failed + unexplained.length > 0 || passed === 0) process.exitCode = 1;
  }
}
