#include "ctl/cli/command_line.h"

#include <sstream>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;

// Arguments as a shell would split them at spaces.
std::variant<Command, Finished> parse(const std::string& line) {
    std::vector<std::string> words{"lbctl"};
    std::istringstream stream(line);
    for (std::string word; stream >> word;) {
        words.push_back(word);
    }
    std::vector<const char*> arguments;
    arguments.reserve(words.size());
    for (const std::string& word : words) {
        arguments.push_back(word.c_str());
    }
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

Command command(const std::string& line) {
    const auto parsed = parse(line);
    const auto* found = std::get_if<Command>(&parsed);
    EXPECT_NE(found, nullptr) << line << ": " << std::get_if<Finished>(&parsed)->commentary;
    return found == nullptr ? Command{} : *found;
}

std::string usage_error(const std::string& line) {
    const auto parsed = parse(line);
    const auto* finished = std::get_if<Finished>(&parsed);
    EXPECT_NE(finished, nullptr) << line;
    if (finished == nullptr) {
        return {};
    }
    EXPECT_EQ(finished->code, ExitCode::kUsage) << line;
    EXPECT_EQ(finished->data, "") << line;
    return finished->commentary;
}

TEST(CommandLine, EveryWordIsKnown) {
    EXPECT_EQ(command("status").word, Word::kStatus);
    EXPECT_EQ(command("service list").word, Word::kServiceList);
    EXPECT_EQ(command("service show a").word, Word::kServiceShow);
    EXPECT_EQ(command("backend list").word, Word::kBackendList);
    EXPECT_EQ(command("backend show a/b").word, Word::kBackendShow);
    EXPECT_EQ(command("backend add a/b --address ::1").word, Word::kBackendAdd);
    EXPECT_EQ(command("backend remove a/b").word, Word::kBackendRemove);
    EXPECT_EQ(command("backend drain a/b").word, Word::kBackendDrain);
    EXPECT_EQ(command("backend ready a/b").word, Word::kBackendReady);
    EXPECT_EQ(command("backend online a/b").word, Word::kBackendReady);
    EXPECT_EQ(command("backend maint a/b").word, Word::kBackendMaint);
    EXPECT_EQ(command("backend halt a/b").word, Word::kBackendMaint);
    EXPECT_EQ(command("backend weight a/b 3").word, Word::kBackendWeight);
    EXPECT_EQ(command("health list").word, Word::kHealthList);
    EXPECT_EQ(command("drops").word, Word::kDrops);
    EXPECT_EQ(command("config check f").word, Word::kConfigCheck);
    EXPECT_EQ(command("reload").word, Word::kReload);
    EXPECT_EQ(command("version").word, Word::kVersion);
}

TEST(CommandLine, GeneralOptionsStandBeforeOrAfterTheWords) {
    for (const char* line : {"-o json --run-dir /tmp/x --config f backend list portal",
                             "backend list portal --run-dir /tmp/x -o json --config f",
                             "backend --run-dir /tmp/x list --config f -o json portal"}) {
        const Command parsed = command(line);
        EXPECT_EQ(parsed.word, Word::kBackendList);
        EXPECT_EQ(parsed.format, Format::kJson);
        EXPECT_EQ(parsed.run_dir, "/tmp/x");
        EXPECT_EQ(parsed.config_path, "f");
        EXPECT_EQ(parsed.target, "portal");
    }
    EXPECT_EQ(command("--color never status").color, ColorChoice::kNever);
}

TEST(CommandLine, AChangeCarriesItsOptions) {
    const Command drain =
        command("backend drain portal/app-2 --wait --timeout 5m --reason upgrade --force");
    EXPECT_TRUE(drain.waits);
    EXPECT_TRUE(drain.is_forced);
    EXPECT_EQ(drain.timeout, 5min);
    EXPECT_EQ(drain.reason, "upgrade");
    EXPECT_EQ(drain.for_flows(), 5min);
    EXPECT_EQ(drain.for_workers(), 30s);
    EXPECT_EQ(command("backend drain a/b").for_flows(), 5min);
    EXPECT_EQ(command("backend drain a/b --timeout 1s").for_workers(), 1s);
    EXPECT_EQ(command("backend ready a/b").for_workers(), 30s);
    EXPECT_EQ(command("backend ready a/b --timeout 1h").for_workers(), 10min);  // lbd's limit
    EXPECT_EQ(command("backend weight a/b 0").weight, 0U);
    EXPECT_EQ(command("backend weight a/b 256").weight, 256U);
    EXPECT_EQ(command("backend add a/b --address 10.0.0.1").weight, std::nullopt);
    EXPECT_TRUE(command("status --check").is_check);
    EXPECT_TRUE(command("reload --wait").waits);
}

TEST(CommandLine, PublishedWaitsForTheWorkersAlone) {
    for (const char* words : {"backend ready a/b --published",
                              "backend ready a/b --wait --published",
                              "backend add a/b --address 10.0.0.1 --published"}) {
        EXPECT_TRUE(command(words).waits) << words;
        EXPECT_TRUE(command(words).until_published) << words;
    }
    EXPECT_FALSE(command("backend ready a/b --wait").until_published);
    EXPECT_NE(usage_error("backend drain a/b --published"), "");
}

TEST(CommandLine, WhatIsGuardedCanBeForced) {
    EXPECT_EQ(command("reload").query(), "");
    EXPECT_EQ(command("reload --force").query(), "?force=1");
    EXPECT_EQ(command("reload --wait --force --timeout 2s").query(), "?wait=2000ms&force=1");
    EXPECT_EQ(command("backend weight a/b 0 --force").query(), "?force=1");
    EXPECT_NE(usage_error("backend ready a/b --force"), "");
}

TEST(CommandLine, DropsTakesAServiceAndAll) {
    EXPECT_EQ(command("drops portal").target, "portal");
    EXPECT_FALSE(command("drops").shows_all);
    EXPECT_TRUE(command("drops --all").shows_all);
    EXPECT_NE(usage_error("drops portal api"), "");
}

TEST(CommandLine, TraceTakesAFiveTuple) {
    const Command trace = command("trace tcp [2001:db8::7]:1 [2001:db8::10]:2 --flags SA");
    EXPECT_EQ(trace.word, Word::kTrace);
    EXPECT_EQ(trace.trace.protocol, "tcp");
    EXPECT_EQ(trace.trace.source, "[2001:db8::7]:1");
    EXPECT_EQ(trace.trace.destination, "[2001:db8::10]:2");
    EXPECT_EQ(trace.trace.flags, "SA");
    EXPECT_NE(usage_error("trace tcp 10.0.0.1:1"), "");
}

TEST(CommandLine, CaptureTakesAFilterOfSeveralWords) {
    const Command all = command("capture");
    EXPECT_EQ(all.word, Word::kCapture);
    EXPECT_EQ(all.capture.points, 7U);
    EXPECT_EQ(all.capture.count, 1'000U);
    EXPECT_EQ(all.capture.seconds, 60U);
    const CaptureWords some =
        command(
            "capture --point rx --point drop tcp port 80 --count 5 --seconds 2 --snaplen 60 -w -")
            .capture;
    EXPECT_EQ(some.filter, "tcp port 80");
    EXPECT_EQ(some.points,
              shm::bit_of(shm::CapturePoint::kReceive) | shm::bit_of(shm::CapturePoint::kDrop));
    EXPECT_EQ(some.count, 5U);
    EXPECT_EQ(some.seconds, 2U);
    EXPECT_EQ(some.snap_bytes, 60U);
    EXPECT_EQ(some.file, "-");
    for (const char* line : {"capture --point up",
                             "capture --count 0",
                             "capture --seconds 3601",
                             "capture --snaplen 20000"}) {
        EXPECT_NE(usage_error(line), "") << line;
    }
}

TEST(CommandLine, AMistypedWordGetsTheNearest) {
    EXPECT_NE(usage_error("backend drian a/b").find("did you mean \"drain\"?"), std::string::npos);
    EXPECT_NE(usage_error("statsu").find("did you mean \"status\"?"), std::string::npos);
    EXPECT_NE(usage_error("backend quux").find("it has: list show add"), std::string::npos);
    EXPECT_NE(usage_error("backend").find("wants one more word: list"), std::string::npos);
}

TEST(CommandLine, WhatIsWrongIsUsage) {
    for (const char* line : {"",
                             "backend drain",
                             "backend weight a/b",
                             "backend weight a/b 257",
                             "backend weight a/b -1",
                             "backend weight a/b heavy",
                             "backend add a/b",
                             "backend drain a/b c/d",
                             "backend drain a/b --timeout 3",
                             "backend drain a/b --bogus",
                             "backend ready a/b --force",
                             "backend drain a/b version",
                             "backend --bogus",
                             "-o yaml status",
                             "--color red status",
                             "status list",
                             "config check a b",
                             "reload now"}) {
        EXPECT_NE(usage_error(line).find("--help"), std::string::npos) << line;
    }
}

TEST(CommandLine, HelpAndVersionAreDataAndSuccess) {
    for (const char* line : {"--help", "--version", "backend --help", "backend drain --help"}) {
        const auto parsed = parse(line);
        const auto* finished = std::get_if<Finished>(&parsed);
        ASSERT_NE(finished, nullptr) << line;
        EXPECT_EQ(finished->code, ExitCode::kDone);
        EXPECT_NE(finished->data, "");
        EXPECT_EQ(finished->commentary, "");
    }
}

TEST(Selection, IsAServiceAndABackendOrAll) {
    const auto one = parse_selection("portal/app-1");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->service, "portal");
    EXPECT_EQ(one->backend, "app-1");
    EXPECT_FALSE(one->is_all());
    EXPECT_TRUE(parse_selection("portal/*")->is_all());
    for (const char* wrong : {"", "portal", "/", "portal/", "/app-1", "a/b/c"}) {
        EXPECT_FALSE(parse_selection(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace fairlead::cli
