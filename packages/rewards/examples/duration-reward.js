// A reward of one's own: is the sample about as long as its text takes to say?
//
//   npx align2speak grpo --config grpo.yaml --reward packages/rewards/examples/duration-reward.js=0.1
//   rewards: [..., { use: packages/rewards/examples/duration-reward.js, weight: 0.1 }]     the same in the YAML
//
// A value of 1 says that the speaking rate is the expected one, 0 that it is off by a factor of two or more. It cannot see
// what is said; silence inside a sample counts as speech.

/** Seconds that a character of IPA takes at the voice's usual rate; measure it on recordings of your language. */
const secondsPerCharacter = 0.075;

export default function durationReward() {
  return {
    name: 'duration',
    direction: 'higher',
    range: [0, 1],
    docs: 'nearness of the speaking rate to the expected one',
    async score({ wavs, sampleRate, references }) {
      return Float64Array.from(wavs, (wav, i) => {
        const characters = references[i].ipa.replace(/[ˈˌː\s\p{P}]/gu, '').length;
        if (characters === 0) return Number.NaN; // No text, no rate: the sample counts as one that could not be judged.
        const ratio = wav.length / sampleRate / (characters * secondsPerCharacter);
        return Math.max(0, 1 - Math.abs(Math.log2(ratio)));
      });
    },
  };
}
