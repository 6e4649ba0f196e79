"""Why lines of a ballot do not count, in English. Knows nothing of how ballots are read."""

from actors.messages.judgement import Rejection

SENTENCES = {
    "empty": "the review is empty",
    "no_ballot": "there is no ballot in the review",
    "no_object": "an entry is not an object",
    "no_response": "an entry does not say which response it judges",
    "unknown_response": "unknown response {0}",
    "own_response": "Response {0}: a vote for oneself",
    "no_score": "Response {0}: no score",
    "nested_score": "Response {0}: the score is a list or an object",
    "no_number": "Response {0}: the score {1} is not a number",
    "other_scale": "Response {0}: the score {1} is not out of 10",
    "no_whole_number": "Response {0}: the score {1} is not a whole number",
    "out_of_range": "Response {0}: the score {1} is not between 1 and 10",
    "contradiction": "Response {0}: judged more than once, differently ({1})",
    "more": "and {0} more",
}


def in_english(rejection: Rejection) -> str:
    return SENTENCES[rejection.code].format(*rejection.values)
