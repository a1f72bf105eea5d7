package app

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
)

// group is a resource of the command line.
type group struct {
	name, short string
	aliases     []string
	verbs       []verb
}

// command makes a verb of a list's method.
type commandFunc func(*app) *cobra.Command

func (f commandFunc) command(a *app) *cobra.Command { return f(a) }

// resourceCommands are the commands of all resources.
func (a *app) resourceCommands() []*cobra.Command {
	groups := []group{contacts(), orders(), products(), tickets(), points(), redeem(), segments(), telesales(), telecalls(), campaigns(), ratings(), zns(), messages()}
	commands := make([]*cobra.Command, 0, len(groups))
	for _, g := range groups {
		cmd := &cobra.Command{Use: g.name, Aliases: g.aliases, Short: g.short}
		asGroup(cmd)
		for _, v := range g.verbs {
			cmd.AddCommand(v.command(a))
		}
		commands = append(commands, cmd)
	}
	return commands
}

// lists are the two commands that every list has.
func lists[T recorded, P any](l listing[T, P]) []verb {
	if l.verb == "" {
		l.verb = "list"
	}
	return []verb{commandFunc(l.list), commandFunc(l.export)}
}

func contacts() group {
	byKey := key[antcrm.ContactRef]{
		use: "KEY", example: "customer:475", parse: parseContactRef, begin: []string{"lead:", "customer:", "external:"},
		help: "KEY is lead:ID, customer:ID, or external:CODE for\nthe caller's own key (customerIdApiRing).",
	}
	const noun, one = "contacts", "contact"
	return group{name: noun, aliases: []string{one}, short: "Leads, customers and accounts", verbs: append(
		contactLists(),
		getting[antcrm.Contact, antcrm.ContactRef]{noun, one, byKey, func(c *antcrm.Client) getFunc[antcrm.Contact, antcrm.ContactRef] { return c.Contacts.Get }},
		creating[antcrm.ContactCreateParams, antcrm.ContactRef]{
			noun: noun, one: one, example: `--name "Nguyễn Văn Mẫu" --external-id ERP-000475 --phone 0900000001`, short: contactShortcuts(true), result: contactKey,
			create: func(c *antcrm.Client) createFunc[antcrm.ContactCreateParams, antcrm.ContactRef] {
				return c.Contacts.Create
			},
		},
		updating[antcrm.ContactRef, antcrm.ContactUpdateParams, antcrm.ContactRef]{
			noun: noun, one: one, key: byKey, example: `--set stage=Contacted --set tags:='["vip"]'`, short: contactShortcuts(false), result: contactKey,
			update: func(c *antcrm.Client) updateFunc[antcrm.ContactRef, antcrm.ContactUpdateParams, antcrm.ContactRef] {
				return c.Contacts.Update
			},
		},
		contactUpdates(),
		importing[antcrm.ContactCreateParams, antcrm.ContactRef]{
			use: "import FILE", noun: noun, verb: "imported", journal: true, packages: true,
			short: "Import contacts from CSV, Excel or JSON Lines", long: contactImportHelp, file: "customers", lists: contactListColumns,
			required: []string{"name", "customerIdApiRing"}, template: contactTemplate(), changes: []string{"antcrm contacts update-file --help", "antcrm sync contacts --help"},
			example: `  antcrm contacts import customers.csv --dry-run
  antcrm contacts import customers.csv --map 'Mã KH=customerIdApiRing' --map 'Tên=name' --journal customers.journal
  antcrm contacts import customers.rejected.csv`,
			run: func(c *antcrm.Client, _ string, _ *bulkFlags) importFunc[antcrm.ContactCreateParams, antcrm.ContactRef] {
				return c.Contacts.Import
			},
			check: func(ctx context.Context, c *antcrm.Client, _ string, record antcrm.ContactCreateParams) error {
				_, err := c.Contacts.CreateBatch(ctx, []antcrm.ContactCreateParams{record})
				return err
			},
		},
		deleting[antcrm.ContactRef]{noun: noun, one: one, key: byKey, remove: func(c *antcrm.Client) deleteFunc[antcrm.ContactRef] { return c.Contacts.Delete }},
	)}
}

// contactTemplate is the columns of a file to fill in. Those that hold JSON are for programs.
func contactTemplate() []string {
	return []string{"name", "customerIdApiRing", "phones", "emails", "contactType", "type", "gender", "dateOfBirth", "stage", "tags", "industry", "sourceContact",
		"responsibleStaff", "address.street", "address.streetName", "address.wards", "address.state", "address.city", "bgInfo"}
}

// contactListColumns are the columns of contacts that may hold several values.
const contactListColumns = "phones, emails and tags"

// contactLists are list and export of contacts.
func contactLists() []verb {
	const noun = "contacts"
	return lists(listing[antcrm.Contact, antcrm.ContactListParams]{
		noun: noun, short: "leads, customers and accounts", example: "--kind customer --created-from 2024-03-01",
		columns: []string{"contactType", "leadId", "customerId", "name", "phones.value", "emails.value", "stage", "createdAt"},
		exports: []string{"contactType", "type", "leadId", "customerId", "customerIdApiRing", "name", "dateOfBirth", "gender", "phones.value", "emails.value",
			"industry", "bgInfo", "stage", "tags", "sourceContact", "responsibleStaff", "scoreAvailable", "scoreRank", "rankName", "createdAt", "updatedAt"},
		flags: func(f filters, p *antcrm.ContactListParams) {
			textFlag(f, &p.Phone, "phone", "telephone number")
			textFlag(f, &p.Email, "email", "e-mail address")
			f.kind(p)
			choice(f, &p.ContactType, "contact-type", "lead or customer", antcrm.ContactTypeLead, antcrm.ContactTypeCustomer)
			choice(f, &p.Kind, "type", "0 (a person) or 1 (an account)", string(antcrm.KindPerson), string(antcrm.KindAccount))
			textFlag(f, &p.LeadID, "lead-id", "number of the lead")
			textFlag(f, &p.CustomerID, "customer-id", "number of the customer")
			textFlag(f, &p.ExternalID, "external-id", "the caller's own key")
			f.from(&p.CreatedFrom, "created-from", "created on this day or later: 2024-03-13, today, 7d ago")
			f.to(&p.CreatedTo, "created-to", "created on this day or earlier")
			f.from(&p.UpdatedFrom, "updated-from", "updated on this day or later")
			f.to(&p.UpdatedTo, "updated-to", "updated on this day or earlier")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Contact, antcrm.ContactListParams] { return c.Contacts.All },
	})
}

// contactShortcuts are the flags for a contact's fields; the first ones only for a new contact.
func contactShortcuts(create bool) []shortcut {
	all := []shortcut{
		{"external-id", "customerIdApiRing", "the caller's own key, such as the ERP's customer code"},
		{"contact-type", "contactType", "lead or customer (default lead)"},
		{"name", "name", "name"},
		{"phone", "phones.0.value", "telephone number"},
		{"email", "emails.0.value", "e-mail address"},
		{"stage", "stage", "stage, by name"},
	}
	if create {
		return all
	}
	return all[2:]
}

// parseContactRef reads lead:ID, customer:ID or external:CODE. A number alone could be any of the three.
func parseContactRef(text string) (antcrm.ContactRef, error) {
	kind, value, _ := strings.Cut(text, ":")
	if value != "" {
		switch kind {
		case "lead":
			return antcrm.LeadRef(antcrm.ID(value)), nil
		case "customer":
			return antcrm.CustomerRef(antcrm.ID(value)), nil
		case "external":
			return antcrm.ExternalRef(value), nil
		}
	}
	return antcrm.ContactRef{}, usage("write lead:ID, customer:ID or external:CODE", "%q does not say which key it is", text)
}

func contactKey(ref antcrm.ContactRef) map[string]string {
	for name, value := range map[string]string{"leadId": string(ref.LeadID), "customerId": string(ref.CustomerID), "customerIdApiRing": ref.ExternalID} {
		if value != "" {
			return map[string]string{name: value}
		}
	}
	return nil
}

// idKey is the key of what the CRM numbers.
func idKey[K ~string](use, help, example string) key[K] {
	return key[K]{use: use, help: help, example: example, parse: func(text string) (K, error) { return K(text), nil }}
}

func orders() group {
	byNumber := idKey[antcrm.ID]("NUMBER", "NUMBER is the order's number in the CRM.", "3609")
	const noun, one = "orders", "order"
	short := []shortcut{
		{"external-id", "opportunityIdApiRing", "the caller's own key, such as the ERP's order code"},
		{"name", "name", "name"},
		{"receiver", "receiverName", "name of the receiver"},
		{"receiver-phone", "receiverPhone", "telephone number of the receiver"},
		{"value", "value", "total; without it the system prices the order"},
		{"stage", "stage", "stage, by name"},
	}
	return group{name: noun, aliases: []string{one, "opportunities", "opportunity"}, short: "Orders (opportunities)", verbs: append(
		orderLists(),
		getting[antcrm.Opportunity, antcrm.ID]{noun, one, byNumber, func(c *antcrm.Client) getFunc[antcrm.Opportunity, antcrm.ID] { return c.Opportunities.Get }},
		creating[antcrm.OpportunityCreateParams, antcrm.ID]{
			noun: noun, one: one, example: `--name "Order 2024-0001" --receiver "Nguyễn Văn Mẫu" --value 4520000`, short: short, result: idResult("number"),
			create: func(c *antcrm.Client) createFunc[antcrm.OpportunityCreateParams, antcrm.ID] {
				return c.Opportunities.Create
			},
		},
		updating[antcrm.ID, antcrm.OpportunityUpdateParams, antcrm.ID]{
			noun: noun, one: one, key: byNumber, example: "--stage Shipped", short: short[1:], result: idResult("number"),
			update: func(c *antcrm.Client) updateFunc[antcrm.ID, antcrm.OpportunityUpdateParams, antcrm.ID] {
				return c.Opportunities.Update
			},
		},
		orderImport(),
		deleting[antcrm.ID]{noun: noun, one: one, key: byNumber, remove: func(c *antcrm.Client) deleteFunc[antcrm.ID] { return c.Opportunities.Delete }},
	)}
}

// orderImport makes orders of a file.
func orderImport() importing[antcrm.OpportunityCreateParams, antcrm.ID] {
	return importing[antcrm.OpportunityCreateParams, antcrm.ID]{
		use: "import FILE", noun: "orders", verb: "imported", journal: true, packages: true, merged: true,
		short: "Import orders from CSV, Excel or JSON Lines", file: "orders", lists: "dealByUsers and dealWith.phones",
		long:     "Creates an order for each row of FILE. Rows that follow one another with the\nsame opportunityIdApiRing are the line items (item.*) of one order.",
		required: []string{"name", "receiverName"}, changes: []string{"antcrm sync orders --help", "antcrm orders update --help"},
		template: []string{"opportunityIdApiRing", "name", "receiverName", "receiverPhone", "dealWith.customerIdApiRing", "dealWith.name", "dealWith.phones",
			"receiverAddressObj.street", "receiverAddressObj.streetName", "receiverAddressObj.wards", "receiverAddressObj.state", "receiverAddressObj.city", "value",
			"shipping_cost", "stage", "branch", "createdAt", "description", "receiverNote", "item.name", "item.code", "item.quantity", "item.value"},
		example: `  antcrm orders import orders.jsonl --dry-run
  antcrm orders import orders.csv --map 'Khách=receiverName' --journal orders.journal`,
		run: func(c *antcrm.Client, _ string, _ *bulkFlags) importFunc[antcrm.OpportunityCreateParams, antcrm.ID] {
			return c.Opportunities.Import
		},
		check: func(ctx context.Context, c *antcrm.Client, _ string, record antcrm.OpportunityCreateParams) error {
			_, err := c.Opportunities.CreateBatch(ctx, []antcrm.OpportunityCreateParams{record})
			return err
		},
	}
}

// orderLists are list and export of orders.
func orderLists() []verb {
	const noun = "orders"
	return lists(listing[antcrm.Opportunity, antcrm.OpportunityListParams]{
		noun: noun, short: "orders", example: "--phone 0900000001",
		columns: []string{"number", "name", "receiverName", "receiverPhone", "value", "stage", "createdAt"},
		exports: []string{"number", "opportunityIdApiRing", "name", "status", "stage", "branch", "value", "discount", "shipping_cost", "totalPayment", "currency",
			"receiverName", "receiverPhone", "receiverNote", "description", "groupPackage", "createdAt", "updatedAt"},
		flags: func(f filters, p *antcrm.OpportunityListParams) {
			textFlag(f, &p.Phone, "phone", "telephone number of the customer or receiver")
			textFlag(f, &p.CustomerID, "customer-id", "number of the customer")
			textFlag(f, &p.Number, "number", "number of the order")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Opportunity, antcrm.OpportunityListParams] {
			return c.Opportunities.All
		},
	})
}

func products() group {
	byCode := idKey[string]("CODE", "CODE is the product's code (SKU); update and\ndelete go by the caller's own key instead, as the API has it.", "SKU-77")
	byExternal := idKey[string]("EXTERNAL-ID", "EXTERNAL-ID is the caller's own key\n(productIdApiRing), not the code that get takes.", "P-77")
	const noun, one = "products", "product"
	short := []shortcut{
		{"external-id", "productIdApiRing", "the caller's own key"},
		{"code", "code", "code (SKU)"},
		{"name", "name", "name"},
		{"value", "value", "price"},
	}
	return group{name: noun, aliases: []string{one}, short: "Products", verbs: append(
		lists(listing[antcrm.Product, antcrm.ProductListParams]{
			noun: noun, short: "products", example: "--type combo",
			columns: []string{"code", "name", "value", "productIdApiRing"},
			flags: func(f filters, p *antcrm.ProductListParams) {
				textFlag(f, &p.Code, "code", "code (SKU)")
				choice(f, &p.Type, "type", "combo or product", "combo", "product")
				f.page(&p.Page)
				f.pageSize(&p.Limit)
			},
			all: func(c *antcrm.Client) allFunc[antcrm.Product, antcrm.ProductListParams] { return c.Products.All },
		}),
		getting[antcrm.Product, string]{noun, one, byCode, func(c *antcrm.Client) getFunc[antcrm.Product, string] { return c.Products.Get }},
		creating[antcrm.ProductCreateParams, antcrm.ID]{
			noun: noun, one: one, example: `--name "Beef combo" --code SKU-77 --external-id P-77 --value 125000`, short: short, result: idResult("code"),
			create: func(c *antcrm.Client) createFunc[antcrm.ProductCreateParams, antcrm.ID] { return c.Products.Create },
		},
		updating[string, antcrm.ProductUpdateParams, antcrm.ID]{
			noun: noun, one: one, key: byExternal, example: "--value 130000", short: short[1:], result: idResult("code"),
			update: func(c *antcrm.Client) updateFunc[string, antcrm.ProductUpdateParams, antcrm.ID] {
				return c.Products.Update
			},
		},
		productImport(), productUpdates(),
		deleting[string]{noun: noun, one: one, key: byExternal, remove: func(c *antcrm.Client) deleteFunc[string] { return c.Products.Delete }},
	)}
}

func tickets() group {
	byID := idKey[antcrm.ID]("ID", "ID is the ticket's number (TicketId).", "17464")
	const noun, one = "tickets", "ticket"
	short := []shortcut{
		{"external-id", "ticketIdApiRing", "the caller's own key"},
		{"contact-id", "contact.id", "id of the contact"},
		{"contact-name", "contact.name", "name of a new contact"},
		{"contact-phone", "contact.phones.0.value", "telephone number of a new contact"},
		{"title", "title", "title"},
		{"sla", "SLA", "SLA, by name"},
		{"summary", "summary", "what it is about (HTML)"},
		{"priority", "priority", "priority"},
		{"status", "status", "status"},
	}
	return group{name: noun, aliases: []string{one}, short: "Support tickets", verbs: append(
		ticketLists(),
		getting[antcrm.Ticket, antcrm.ID]{noun, one, byID, func(c *antcrm.Client) getFunc[antcrm.Ticket, antcrm.ID] { return c.Tickets.Get }},
		creating[antcrm.TicketCreateParams, antcrm.ID]{
			noun: noun, one: one, example: `--title "Late delivery" --sla Standard --contact-id 64db290a7796fe24bfe876a7`, short: short, result: idResult("TicketId"),
			create: func(c *antcrm.Client) createFunc[antcrm.TicketCreateParams, antcrm.ID] { return c.Tickets.Create },
		},
		updating[antcrm.ID, antcrm.TicketUpdateParams, antcrm.ID]{
			noun: noun, one: one, key: byID, example: "--status Resolved", short: short[4:], result: idResult("TicketId"),
			update: func(c *antcrm.Client) updateFunc[antcrm.ID, antcrm.TicketUpdateParams, antcrm.ID] {
				return c.Tickets.Update
			},
		},
		deleting[antcrm.ID]{noun: noun, one: one, key: byID, note: "\nThe CRM keeps it: list --deleted shows it.\n",
			remove: func(c *antcrm.Client) deleteFunc[antcrm.ID] { return c.Tickets.Delete }},
	)}
}

// ticketLists are list and export of tickets.
func ticketLists() []verb {
	const noun = "tickets"
	return lists(listing[antcrm.Ticket, antcrm.TicketListParams]{
		noun: noun, short: "tickets", example: "--from 7d",
		columns: []string{"TicketId", "title", "status", "priority", "assignedTo", "createdAt"},
		exports: []string{"TicketId", "ticketIdApiRing", "title", "summary", "SLA", "priority", "status", "assignedTo", "group", "category", "resolutionTypeOb", "createdAt", "updatedAt"},
		flags: func(f filters, p *antcrm.TicketListParams) {
			textFlag(f, &p.TicketID, "id", "number of the ticket")
			f.period(&p.From, &p.To, "created")
			f.BoolFunc("by-update", "--from and --to mean the last update", func(text string) error {
				yes, err := strconv.ParseBool(text)
				if p.TimeField = ""; yes {
					p.TimeField = antcrm.TicketTimeUpdated
				}
				return err
			})
			f.BoolVar(&p.IncludeDeleted, "deleted", false, "deleted ones too")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Ticket, antcrm.TicketListParams] { return c.Tickets.All },
	})
}

// loyaltyFlags are the filters of both histories.
func loyaltyFlags(f filters, p *antcrm.LoyaltyListParams) {
	textFlag(f, &p.Phone, "phone", "telephone number of the customer")
	textFlag(f, &p.Email, "email", "e-mail address of the customer")
	f.period(&p.From, &p.To, "created")
	f.page(&p.Page)
}

func points() group {
	return group{name: "points", short: "Loyalty points that customers have accumulated", verbs: append(
		lists(listing[antcrm.LoyaltyEntry, antcrm.LoyaltyListParams]{
			noun: "points", verb: "history", short: "accumulations of points", example: "--phone 0900000002",
			columns: []string{"createdAt", "score", "status", "product.name", "code", "contact.name", "contact.customerId"},
			flags:   loyaltyFlags,
			all:     func(c *antcrm.Client) allFunc[antcrm.LoyaltyEntry, antcrm.LoyaltyListParams] { return c.Points.All },
		}),
		acting[antcrm.AccumulateParams]{
			use: "accumulate", short: "Give a customer the points of a code", done: "accumulated",
			long:    "Gives a customer the points of a code, such as a product's serial code.",
			example: "  antcrm points accumulate --code TIVInpmx8b98pfg --phone 0900000002",
			flags: []shortcut{
				{"code", "code", "the code"}, {"phone", "data.phones.0.value", "telephone number of the customer"},
				{"email", "data.emails.0.value", "e-mail address of the customer"}, {"name", "data.name", "name of the customer"},
			},
			act: func(c *antcrm.Client) actFunc[antcrm.AccumulateParams] { return c.Points.Accumulate },
		},
	)}
}

func redeem() group {
	return group{name: "redeem", short: "Gifts that customers have redeemed points for", verbs: append(
		lists(listing[antcrm.LoyaltyEntry, antcrm.LoyaltyListParams]{
			noun: "redeem", verb: "history", short: "redemptions", example: "--from 7d",
			columns: []string{"createdAt", "score", "status", "gift.name", "gift.code", "contact.name", "contact.customerId"},
			flags:   loyaltyFlags,
			all:     func(c *antcrm.Client) allFunc[antcrm.LoyaltyEntry, antcrm.LoyaltyListParams] { return c.Redeem.All },
		}),
		acting[antcrm.RedeemParams]{
			use: "gift", short: "Spend a customer's points on a gift", done: "redeemed",
			long:    "Spends a customer's points on a gift.",
			example: "  antcrm redeem gift --code DAUMAY01 --phone 0900000002",
			flags: []shortcut{
				{"code", "code", "code of the gift"}, {"phone", "data.phone", "telephone number of the customer"},
				{"email", "data.email", "e-mail address of the customer"},
			},
			act: func(c *antcrm.Client) actFunc[antcrm.RedeemParams] { return c.Redeem.Gift },
		},
	)}
}

func telesales() group {
	return group{name: "telesales", short: "Telesales records of a campaign", verbs: lists(listing[antcrm.Telesale, antcrm.TelesaleListParams]{
		noun: "telesales", short: "telesales records", example: "--campaign-id 64d9f28b2b3ba308b322c710 --from 7d", open: true, columns: []string{"_id", "createdAt"},
		flags: func(f filters, p *antcrm.TelesaleListParams) {
			textFlag(f, &p.CampaignID, "campaign-id", "the campaign (required)")
			notesField(f.FlagSet, "campaign-id", "campaignId")
			f.BoolVar(&p.SurveyOnly, "survey", false, "only those with survey values")
			f.period(&p.From, &p.To, "created")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Telesale, antcrm.TelesaleListParams] { return c.Telesales.All },
	})}
}

func telecalls() group {
	return group{name: "telecalls", short: "Calls of a campaign", verbs: lists(listing[antcrm.Telecall, antcrm.TelecallListParams]{
		noun: "telecalls", short: "calls of a campaign", example: "--campaign-id 64d9f28b2b3ba308b322c710 --from 7d", open: true, columns: []string{"_id", "createdAt"},
		flags: func(f filters, p *antcrm.TelecallListParams) {
			textFlag(f, &p.CampaignID, "campaign-id", "the campaign (required)")
			notesField(f.FlagSet, "campaign-id", "campaignId")
			f.period(&p.From, &p.To, "called")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Telecall, antcrm.TelecallListParams] { return c.Telecalls.All },
	})}
}

func campaigns() group {
	return group{name: "campaigns", short: "Telesales campaigns", verbs: lists(listing[antcrm.Campaign, antcrm.CampaignListParams]{
		noun: "campaigns", short: "telesales campaigns", example: "--from 2024-01-01", open: true, columns: []string{"_id", "createdAt"},
		flags: func(f filters, p *antcrm.CampaignListParams) {
			f.period(&p.From, &p.To, "created")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Campaign, antcrm.CampaignListParams] { return c.Campaigns.All },
	})}
}

func ratings() group {
	return group{name: "ratings", short: "Ratings that customers have given", verbs: lists(listing[antcrm.Rating, antcrm.RatingListParams]{
		noun: "ratings", short: "ratings", example: "--type ticket --from 7d",
		columns: []string{"rating_time", "type", "source", "rating_score", "contact.name", "comment"},
		flags: func(f filters, p *antcrm.RatingListParams) {
			f.period(&p.From, &p.To, "rated")
			choice(f, &p.Type, "type", "ticket, deal, call, omni or other", "ticket", "deal", "call", "omni", "other")
			choice(f, &p.Source, "source", "ZNS, EMAIL, ECOM, CALL, ZALO or FACEBOOK", "ZNS", "EMAIL", "ECOM", "CALL", "ZALO", "FACEBOOK")
			textFlag(f, &p.Score, "score", "the score that was given: 0, 3, 4.5")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.Rating, antcrm.RatingListParams] { return c.Ratings.All },
	})}
}

func zns() group {
	return group{name: "zns", short: "Zalo notification messages that were sent", verbs: lists(listing[antcrm.ZNSMessage, antcrm.ZNSMessageListParams]{
		noun: "zns", short: "Zalo notification messages", example: "--campaign WELCOME --from 7d", open: true, columns: []string{"_id", "createdAt"},
		flags: func(f filters, p *antcrm.ZNSMessageListParams) {
			textFlag(f, &p.Campaign, "campaign", "name or code of the campaign")
			f.period(&p.From, &p.To, "sent")
			f.page(&p.Page)
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.ZNSMessage, antcrm.ZNSMessageListParams] {
			return c.ZNSMessages.All
		},
	})}
}

func messages() group {
	return group{name: "messages", short: "Omnichannel messages, by session", verbs: lists(listing[antcrm.MessageSession, antcrm.MessageListParams]{
		noun: "messages", short: "message sessions", example: "--from 7d --to now",
		columns: []string{"createdAt", "sessionId", "conversationId", "leadId", "customerId", "messages.channel"},
		flags: func(f filters, p *antcrm.MessageListParams) {
			f.period(&p.CreatedFrom, &p.CreatedTo, "created (both are required)")
			notesField(f.FlagSet, "from", "created_from")
			notesField(f.FlagSet, "to", "created_to")
			textFlag(f, &p.SessionID, "session", "one session")
			f.count(&p.Offset, "offset", "skip `N` sessions")
			f.pageSize(&p.Limit)
		},
		all: func(c *antcrm.Client) allFunc[antcrm.MessageSession, antcrm.MessageListParams] { return c.Messages.All },
	})}
}
