#include "ctl/store/store.h"

#include <thread>

#include <sqlite3.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/store/state_directory.h"

#include <boost/asio/io_context.hpp>

namespace fairlead::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreTest : public testing::Test {
  protected:
    void SetUp() override { open(); }
    void open() {
        store_.reset();
        auto opened = Store::open(loop_, directory_.path(), "/run/first");
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = std::move(opened->store);
        contents_ = std::move(opened->contents);
    }
    Store::Then note() {
        return [this](const Status& written) {
            told_.push_back(written ? "" : written.error().message);
            told_by_ = std::this_thread::get_id();
        };
    }
    void run_until_told(std::size_t count) {
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (told_.size() < count && std::chrono::steady_clock::now() < deadline) {
            loop_.restart();
            loop_.run_one_for(10ms);
        }
        ASSERT_EQ(told_.size(), count);
    }

    StateDirectory directory_;
    boost::asio::io_context loop_;
    std::unique_ptr<Store> store_;
    Contents contents_;
    std::vector<std::string> told_;
    std::thread::id told_by_;
};

TEST_F(StoreTest, WritesInOrderAndTellsByTheOwnersLoop) {
    store_->write(drain_of("app-1", "first"), note());
    store_->write(drain_of("app-1", "second"), note());
    EXPECT_TRUE(told_.empty());
    run_until_told(2);
    EXPECT_THAT(told_, ElementsAre("", ""));
    EXPECT_EQ(told_by_, std::this_thread::get_id());
    open();
    EXPECT_EQ(contents_.kept.overrides.begin()->second, drained("second"));
}

TEST_F(StoreTest, WhatWaitsAtTheEndIsWrittenAndNobodyTold) {
    for (int i = 0; i < 20; ++i) {
        store_->write(drain_of("app-" + std::to_string(i)), note());
    }
    open();
    EXPECT_EQ(contents_.kept.overrides.size(), 20);
    loop_.poll();
    EXPECT_LT(told_.size(), 20);
}

TEST_F(StoreTest, TheDirectoryBelongsToOne) {
    const auto second = Store::open(loop_, directory_.path(), "/run/second");
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message,
                HasSubstr("is in use by lbd with run directory /run/first, pid "));
    store_.reset();
    EXPECT_TRUE(Store::open(loop_, directory_.path(), "/run/second"));
}

TEST_F(StoreTest, AnotherProgramsLockIsAFailureThatPasses) {
    sqlite3* other = nullptr;
    ASSERT_EQ(::sqlite3_open(directory_.file("state.db").c_str(), &other), SQLITE_OK);
    ASSERT_EQ(::sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    store_->write(drain_of("app-1"), note());
    std::this_thread::sleep_for(100ms);
    EXPECT_GE(store_->waiting(), 50ms);
    run_until_told(1);
    EXPECT_THAT(told_[0], HasSubstr("database is locked"));
    EXPECT_THAT(store_->problem(),
                HasSubstr("nothing can be changed: state.db: database is locked"));
    ASSERT_EQ(::sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
    ::sqlite3_close(other);
    store_->write(drain_of("app-2"), note());
    run_until_told(2);
    EXPECT_EQ(told_[1], "");
    EXPECT_EQ(store_->problem(), "");
    open();
    EXPECT_EQ(contents_.kept.overrides.size(), 1) << "the refused one is not there";
}

TEST(StoreUnreadable, IsOpenedAllTheSameAndNothingIsWrittenOverIt) {
    const StateDirectory directory;
    std::filesystem::create_directory(directory.file("state.db"));
    boost::asio::io_context loop;
    auto opened = Store::open(loop, directory.path(), "/run/first");
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_THAT(opened->store->problem(),
                HasSubstr("what operators changed at run time cannot be"));
    std::string told;
    opened->store->write(drain_of("app-1"), [&](const Status& written) {
        told = written ? "" : written.error().message;
    });
    while (told.empty()) {
        loop.restart();
        loop.run_one_for(10ms);
    }
    EXPECT_THAT(told, HasSubstr("could not be read"));
    EXPECT_TRUE(std::filesystem::is_directory(directory.file("state.db")));
}

}  // namespace
}  // namespace fairlead::store
