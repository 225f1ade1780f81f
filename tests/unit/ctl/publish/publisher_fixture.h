// Daemons that follow each other on a run directory, and the engine's view of what they publish.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "ctl/publish/publisher.h"
#include "dp/shm/segment.h"
#include "dp/shm/snapshot.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::publish {

class PublisherTest : public testing::Test {
  protected:
    // A daemon that starts on the run directory, after the last one is gone.
    Publisher& start() {
        publisher_.reset();
        Result<std::unique_ptr<Publisher>> opened =
            Publisher::open(directory_.path(), "test", worker_, counters_);
        EXPECT_TRUE(opened) << opened.error().message;
        publisher_ = std::move(opened).value();
        return *publisher_;
    }
    // As if the last daemon had been one of another layout. Requires that it is gone.
    void make_layout_another() {
        shm::Segment file = shm::Segment::open_writer(shm::kTables, directory_.path()).value();
        file.header<shm::TablesHeader>().segment.fingerprint ^= 1U;
    }
    // The engine's view; every mapping lives as long as the test.
    shm::TablesReader reader() {
        segments_.push_back(shm::Segment::open_read_only(shm::kTables, directory_.path()).value());
        return *shm::TablesReader::map(segments_.back().bytes());
    }
    // How many slots of the service's ring each backend index owns, as the engine sees it.
    std::map<std::uint16_t, int> owners(const DesiredService& service) {
        const shm::TablesReader tables = reader();
        const shm::Snapshot snapshot = tables.snapshot();
        const shm::ServiceRecord* const record =
            snapshot.find(service.vip, Be16::from_host(service.port), service.protocol);
        EXPECT_NE(record, nullptr);
        std::map<std::uint16_t, int> slots;
        for (const std::uint16_t index : tables.ring(*record)) {
            ++slots[index];
        }
        return slots;
    }
    shm::BackendWord word(std::uint16_t index) {
        return shm::BackendWord(reader().backend(BackendIndex{index})->word.load());
    }

    TemporaryDirectory directory_;
    OneWorker worker_;
    NoCounters counters_;
    std::unique_ptr<Publisher> publisher_;
    std::vector<shm::Segment> segments_;
};

}  // namespace fairlead::publish
