package app

import (
	"regexp"
	"strings"

	"github.com/antbuddy/antcrm-go"
)

// flagWords names the SDK's options by the flags of this command, in what the SDK says.
var flagWords = strings.NewReplacer(
	"WithInsecureHTTP", "--insecure-http", "WithReplacedKey", "--replaced-key", "WithRetryRejected", "--retry-rejected", "WithJournal", "--journal",
	"antcrm.WithTimeout", "--timeout", "WithTimeout", "--timeout", "WithCampaigns", "--campaign-id", "WithRetryUnsafe", "--retry-unsafe", "WithIsolation", "--isolate",
	"use WithSettle", "wait", "see WithSettle", "run the command again later",
)

// contractWords puts what the probe says to programmers into the words of this command. The first that fits is taken: longer ones come first.
var contractWords = strings.NewReplacer(
	"set it with WithBaseURL or --base-url", "set it with --base-url",
	"Pass WithoutRetry to creates, points and gifts (--retries 0)", "Pass --retries 0 to creates, points and gifts",
	"WithoutRetry", "--retries 0",
	"Set WithRateLimit (--rate)", "Set --rate",
	"WithIsolation or --isolate", "--isolate",
	"WithIsolation", "--isolate",
	"WithChunkSize(1)", "--chunk 1",
	"WithWrites makes one", "--write makes one",
	"Use Create for each record instead of CreateBatch and Import: every package", "Use create for each record instead of import: every package",
	"Use Client.Do with page=0", "Use antcrm api with page=0",
	"by Client.Do", "by antcrm api", "Client.Do", "antcrm api",
	"an APIError that is ErrNotFound", said(antcrm.ErrNotFound),
	"a DecodeError with an unknown outcome", said(antcrm.ErrOutcomeUnknown),
	"List, All and Get", "list, export and get", "List and All", "list and export", "of All,", "of an export,", ": All begins", ": list begins",
	"Do not set Limit above 20 (--page-size 20)", "Do not set --page-size above 20", "set Limit:", "set --page-size:", "a large Limit", "a large --page-size",
	"Get with an ExternalRef", "get external:CODE", "by ExternalRef", "as external:CODE", "its ExternalID", "its customerIdApiRing",
	"by Source", "by source", "order's Value", "order's value", "Send Value", "Send --value", "Leave Tags out", "Leave tags out",
	"that Create returns", "that create prints", "that Update returns", "that update prints", "repeat SetContacts", "repeat segments set",
	"Check Decimal.Valid before", "Check that an amount is a number before", "the zero Timestamp, the text stays in RawJSON", "no time in a table, the text with -o json",
	"the text is in RawJSON", "-o json has the text", "from RawJSON, or through Decode into a type of your own", "with -o json, as they came", "from RawJSON", "with -o json",
	"Do without Campaigns", "Do without campaigns", "from ZNSMessages", "from zns",
)

// said is an error as this command prints it.
func said(err error) string { return `"` + strings.TrimPrefix(err.Error(), "antcrm: ") + `"` }

var (
	methodWord   = regexp.MustCompile(`\bGet\b`)
	sentinelWord = regexp.MustCompile(`\bErr[A-Z]\w+`)
)

// sentinels are the errors that the probe names.
func sentinels() map[string]error {
	return map[string]error{
		"ErrRejected": antcrm.ErrRejected, "ErrUnauthorized": antcrm.ErrUnauthorized, "ErrForbidden": antcrm.ErrForbidden, "ErrNotFound": antcrm.ErrNotFound,
		"ErrRepeatedPage": antcrm.ErrRepeatedPage, "ErrFilterIgnored": antcrm.ErrFilterIgnored, "ErrConflict": antcrm.ErrConflict,
		"ErrOutcomeUnknown": antcrm.ErrOutcomeUnknown, "ErrRateLimited": antcrm.ErrRateLimited, "ErrServer": antcrm.ErrServer,
	}
}

// inCommandWords is a text of the probe for the contract's table. The report of --json keeps the SDK's words: programs are written by it.
func inCommandWords(text string) string {
	text = methodWord.ReplaceAllString(contractWords.Replace(text), "get")
	known := sentinels()
	return sentinelWord.ReplaceAllStringFunc(text, func(name string) string {
		if err := known[name]; err != nil {
			return said(err)
		}
		return name
	})
}
