package antcrm_test

import (
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The vendor documents no field of these records: Decode reads them into a
// type of your own.
func ExampleTelesalesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Telesales, `{"_id": "65f145d4a1b2c3d4e5f60718", "campaignId": "65f1", "status": "called", "survey": {"q1": "yes"}}`)

	for record, err := range client.Telesales.All(ctx, antcrm.TelesaleListParams{CampaignID: "65f1", SurveyOnly: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct {
			Status string
			Survey map[string]string
		}
		err = record.Decode(&mine)
		fmt.Println(record.ID, mine.Status, mine.Survey["q1"], err)
	}
	// Output: 65f145d4a1b2c3d4e5f60718 called yes <nil>
}

func ExampleTelecallsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Telecalls, `{"_id": "65f145d4a1b2c3d4e5f60720", "campaignId": "65f1", "seconds": 42}`)

	day := antcrm.TelecallListParams{CampaignID: "65f1", From: moment().Add(-24 * time.Hour), To: moment().Add(time.Hour)}
	for call, err := range client.Telecalls.All(ctx, day) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct{ Seconds int }
		err = call.Decode(&mine)
		fmt.Println(mine.Seconds, err)
	}
	// Output: 42 <nil>
}

func ExampleCampaignsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Campaigns, `{"_id": "65f145d4a1b2c3d4e5f60718", "name": "Tết 2024"}`)

	for campaign, err := range client.Campaigns.All(ctx, antcrm.CampaignListParams{}) {
		fmt.Println(campaign.ID, string(campaign.RawJSON()), err)
	}
	// Output: 65f145d4a1b2c3d4e5f60718 {"_id":"65f145d4a1b2c3d4e5f60718","name":"Tết 2024","createdAt":1710311060673,"updatedAt":1710311060673} <nil>
}
