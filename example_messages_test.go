package antcrm_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func ExampleZNSMessagesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.ZNSMessages, `{"_id": "65f145d4a1b2c3d4e5f60730", "campaign": "TET", "phone": "0900000001"}`)

	for message, err := range client.ZNSMessages.All(ctx, antcrm.ZNSMessageListParams{Campaign: "TET"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct{ Phone string }
		err = message.Decode(&mine)
		fmt.Println(mine.Phone, err)
	}
	// Output: 0900000001 <nil>
}

// Messages come by session; the period is required.
func ExampleMessagesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Messages, `{"sessionId": "66139e5904bf311bf963a979", "leadId": 2964, "messages": [{"channel": "ZALO", "isOutboundMessage": true}, {"channel": "ZALO"}]}`)

	day := antcrm.MessageListParams{CreatedFrom: moment().Add(-24 * time.Hour), CreatedTo: moment().Add(time.Hour)}
	for session, err := range client.Messages.All(ctx, day) {
		if err != nil {
			fmt.Println(err)
			return
		}
		outbound := slices.ContainsFunc(session.Messages, func(m antcrm.Message) bool { return m.Outbound.Bool() })
		fmt.Println("lead", session.LeadID, "has", len(session.Messages), "messages; answered:", outbound)
	}
	// Output: lead 2964 has 2 messages; answered: true
}
